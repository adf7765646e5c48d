// The edges of a photograph: white where neighbouring pixels differ, else
// black.
//
// For each pixel, d = |dR| + |dG| + |dB| to the right and to the lower
// neighbour, those that lie inside the picture. Where the floor of their mean
// is above 30 the pixel turns white; the last pixel has no neighbour and is
// black. The result is an RGB JPEG of quality 75, 4:2:0, the same bytes that
// Pillow writes on the same libjpeg. Grey, CMYK and YCCK pictures are first
// brought to RGB as Pillow brings them.
//
// Safe from any number of threads at a time: there is no shared state.
#pragma once

#include "failure.h"

// Writes the edges of the JPEG file `from` to the file `to`. Blocks; pure CPU
// but for reading and writing. Memory is bounded by the width of the picture,
// or by its area if it is progressive, where libjpeg keeps all coefficients.
// `to` appears when it is complete; after a failure it is as it was before.
//
// returns  0, or a negative errno with the sentence in `why` (NULL: not asked):
//          -EPROTO  not a JPEG, cut off, or damaged so that nothing comes out
//          -EFBIG   claims more pixels than Pillow agrees to decode
//          -ENOMEM  no memory
//          or what the file system said, as -ENOENT, -EACCES, -ENOSPC
int edge_image(const char *from, const char *to, struct failure *why);
