"""Pages, rendered on the server, usable without scripts. Routes are thin: guard, action, page.

A GET changes nothing anyone relies on; forms carry a token and come from our own pages; whoever asks for what is not
theirs gets the same page as for nothing.
"""

from app.web.call import WebSettings
from app.web.routes import mount

__all__ = ["WebSettings", "mount"]
