"""What WordPress means by a version, a header, a readme, a plugin zip. Pure, equal to PHP's and core's rules."""
