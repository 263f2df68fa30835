"""What bytes on the wire mean: documents, signatures, keys, challenges, error codes. No I/O, no clock, no settings."""
