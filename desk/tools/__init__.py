"""For the command line: the demo, exports, and mails explained."""
