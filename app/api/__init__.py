"""The wire: routes, schemas and problems. HTTP in, actions called, JSON out."""
