"""What of a mail is shown, and how: safe HTML, folded quotes, the author of a forwarded mail."""
