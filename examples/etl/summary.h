// What is found in a file of measurements, of each station.
#pragma once

#define STATIONS_MAX 200
#define NAME_LEN_MAX 32

struct station {
    char name[NAME_LEN_MAX];
    int rows;
    double lowest, highest, sum;
};

// What goes to a worker process and back: there are no pointers in it.
struct summary {
    char path[256];
    int rows, bad_rows, count;
    struct station stations[STATIONS_MAX];
};

// Reads the file `path` of lines `station,temperature` and sums it up. A job
// for a process: it computes, and trusts nothing that it reads.
//
// returns   0, or a negative errno: -E2BIG for too many stations
int summarise(void *summary);
