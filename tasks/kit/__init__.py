"""What families are drawn and written with: shapes, notation, tilings, walled grids."""
