"""Statements of Zhang, He, Sra and Jadbabaie (ICLR 2020), as special cases; their wording is recalled."""
