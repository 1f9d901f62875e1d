"""Statements of Koloskova, Hendrikx and Stich (ICML 2023), with explicit constants; their wording is recalled."""
