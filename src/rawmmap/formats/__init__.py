"""Formats: headers into descriptions, one module or package each."""
