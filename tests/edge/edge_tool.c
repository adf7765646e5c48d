// The edge code as a command, for the checks: edge_tool FROM TO.
//
// Exits 0 when TO was written, otherwise 1 with the sentence on stderr and 2
// when it was called wrongly.

#include <stdio.h>

#include "../../app/edge.h"

int main(int argc, char **argv)
{
    if (argc != 3) {
        fprintf(stderr, "usage: edge_tool FROM TO\n");
        return 2;
    }

    struct failure why = {0};
    int err = edge_image(argv[1], argv[2], &why);
    if (err < 0) fprintf(stderr, "edge_tool: %s (%d)\n", why.text, err);
    return err < 0;
}
