"""What the exporter tells of, one source a module. Parts of its composition root: nothing else imports them."""
