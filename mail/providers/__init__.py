"""What is known of providers and what they publish: servers, records, SPF, DMARC, OAuth."""
