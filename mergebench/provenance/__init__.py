"""How the embedded images and backbones were made; nothing at run time needs it."""
