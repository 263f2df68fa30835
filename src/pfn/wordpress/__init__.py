"""What WordPress means by a version, a header, a readme, a plugin zip. Pure, and equal to PHP's and core's own rules."""
