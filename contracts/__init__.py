"""What another service needs to talk to payments: messages, names, transport and a client. Imports nothing of ours."""
