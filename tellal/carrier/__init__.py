"""A carrier simulator that speaks as Twilio and FCM do."""
