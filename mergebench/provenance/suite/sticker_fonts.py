"""Web fonts (npm packages `@fontsource/*`) for stickers: none of a family in a task's splits."""

from __future__ import annotations

# Licence -> packages without their scope.
LATIN = {
    "Apache-2.0": "chewy coming-soon crafty-girls homemade-apple just-another-hand luckiest-guy "
    "permanent-marker rock-salt satisfy schoolbell special-elite walter-turncoat "
    "yellowtail",
    "OFL-1.1": "abel abril-fatface acme alegreya alfa-slab-one amatic-sc annie-use-your-telescope "
    "anton architects-daughter archivo-black arvo audiowide bad-script bangers bebas-neue "
    "black-ops-one bree-serif bungee caveat cedarville-cursive cinzel concert-one cookie "
    "courgette creepster crimson-text fjalla-one fredericka-the-great fredoka "
    "gloria-hallelujah great-vibes handlee inconsolata indie-flower josefin-sans kalam "
    "la-belle-aurore libre-baskerville marck-script merriweather neucha nunito orbitron "
    "oswald pacifico patrick-hand patua-one philosopher pirata-one pixelify-sans playball "
    "playfair-display poppins press-start-2p pt-mono pt-serif reenie-beanie righteous "
    "rokkitt rubik russo-one rye sacramento shadows-into-light share-tech-mono "
    "short-stack source-code-pro space-mono tangerine teko titillium-web uncial-antiqua "
    "unica-one unifrakturmaguntia varela-round vollkorn vt323 yanone-kaffeesatz zeyada",
    "UFL-1.0": "ubuntu",
}
JAPANESE = {
    "OFL-1.1": "darumadrop-one dela-gothic-one hachi-maru-pop hina-mincho kaisei-decol kaisei-opti "
    "kiwi-maru mochiy-pop-one monomaniac-one palette-mosaic potta-one shippori-antique "
    "slackside-one yomogi yuji-boku yuji-mai yuji-syuku zen-antique zen-kurenaido",
}
