"""Measures of single clips by networks that come inside packages, of a set beside the real one."""
