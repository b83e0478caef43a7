"""The native core: kernels, key maps, codecs and the wire. Typed in ``core.pyi``; no policy lives here."""
