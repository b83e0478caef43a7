//! Four-bit product codes in blocks of 32 rows, scanned under a bitmap.
