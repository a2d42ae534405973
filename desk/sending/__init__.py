"""What leaves: composed once, frozen, handed over until every recipient has an end."""
