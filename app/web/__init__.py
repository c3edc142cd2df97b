"""The pages: routes, guards and templates. HTTP in, actions called, HTML out."""
