"""Screens that pages are opened on."""

DESK = {"width": 1200, "height": 900}
PHONE = {"width": 390, "height": 844}
