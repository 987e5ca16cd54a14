// A message centre made of npm's `smpp`: tells on its output what it got, one JSON line each, sends
// a receipt for every submission to whoever receives, and one text that a person writes.
// Argument: the port.
const smpp = require("smpp");

const receivers = [];
const waiting = [];
let count = 0;

function say(what) {
  process.stdout.write(JSON.stringify(what) + "\n");
}

function bring(pdu) {
  if (!receivers.length) {
    waiting.push(pdu);
    return;
  }
  receivers[0].deliver_sm(pdu, (answer) => say({ answered: answer.command_status }));
}

const server = smpp.createServer((session) => {
  session.on("error", () => {});
  for (const way of ["transmitter", "receiver"]) {
    session.on(`bind_${way}`, (pdu) => {
      session.send(pdu.response({ system_id: "npm" }));
      say({ bound: way, system_id: pdu.system_id, password: pdu.password });
      if (way === "receiver") {
        receivers.push(session);
        waiting.splice(0).forEach(bring);
        bring({ source_addr: "905321112233", source_addr_ton: 1, destination_addr: "4605", short_message: "RET" });
      }
    });
  }
  session.on("submit_sm", (pdu) => {
    count += 1;
    const id = `id-${count}`;
    say({
      submitted: id,
      to: pdu.destination_addr,
      ton: pdu.dest_addr_ton,
      from: pdu.source_addr,
      from_ton: pdu.source_addr_ton,
      esm_class: pdu.esm_class,
      data_coding: pdu.data_coding,
      validity: String(pdu.validity_period),
      // Where it knows the alphabet npm's package has read the text, and the header apart from it.
      text: typeof pdu.short_message.message === "string" ? pdu.short_message.message : "",
      headers: (pdu.short_message.udh || []).map((one) => Buffer.from(one).toString("hex")),
    });
    session.send(pdu.response({ message_id: id }));
    bring({
      source_addr: pdu.destination_addr,
      destination_addr: pdu.source_addr,
      esm_class: smpp.ESM_CLASS.MC_DELIVERY_RECEIPT,
      short_message: {
        message: `id:${id} sub:001 dlvrd:001 submit date:2603020905 done date:2603020905 stat:DELIVRD err:000 text:`,
      },
    });
  });
  session.on("unbind", (pdu) => {
    session.send(pdu.response());
    say({ unbound: true });
    session.close();
  });
  session.on("enquire_link", (pdu) => {
    session.send(pdu.response());
    say({ asked: true });
  });
});
server.listen(Number(process.argv[2]), "127.0.0.1", () => say({ listening: true }));
