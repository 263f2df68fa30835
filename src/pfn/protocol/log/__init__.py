"""The transparency log in the C2SP formats, byte for byte: pure, from single hashes to one offline bundle."""
