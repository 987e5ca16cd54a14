// The push service of npm's `web-push-testing`. Argument: the port.
const { PushApiModel } = require("web-push-testing/src/PushApiModel");
const WebPushTestingServer = require("web-push-testing/src/server");

new WebPushTestingServer(new PushApiModel(), Number(process.argv[2])).startServer();
