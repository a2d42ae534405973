"""Words and looks of the mails that we write, and the languages that they are written in."""
