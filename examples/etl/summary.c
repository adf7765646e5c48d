// Transform: plain C, with no loop in it.

#include "summary.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <asyncio.h>

static struct station *find_station(struct summary *summary, const char *name)
{
    for (int i = 0; i < summary->count; i++)
        if (strcmp(summary->stations[i].name, name) == 0)
            return &summary->stations[i];
    if (summary->count == STATIONS_MAX) return NULL;
    struct station *made = &summary->stations[summary->count++];
    *made = (struct station){.lowest = 1e9, .highest = -1e9};
    snprintf(made->name, sizeof made->name, "%s", name);
    return made;
}

// Returns 0; 1 for a row that is none; -E2BIG.
static int add_row(struct summary *summary, char *row)
{
    char *number = strchr(row, ','), *end;
    if (!number || number == row || number - row >= NAME_LEN_MAX) return 1;
    *number++ = '\0';
    double degrees = strtod(number, &end);
    if (end == number || (*end && *end != '\r' && *end != '\n')) return 1;
    if (!(degrees >= -100 && degrees <= 100)) return 1;

    struct station *station = find_station(summary, row);
    if (!station) return asyncio_raise(-E2BIG, "too many stations");
    station->rows++;
    station->sum += degrees;
    if (degrees < station->lowest) station->lowest = degrees;
    if (degrees > station->highest) station->highest = degrees;
    return 0;
}

int summarise(void *arg)
{
    struct summary *summary = arg;
    char *row = NULL;
    size_t size = 0;
    int err = 0;
    FILE *file = fopen(summary->path, "r");
    if (!file) return -errno;
    while (err >= 0 && getline(&row, &size, file) > 0) {
        err = add_row(summary, row);
        *(err == 0 ? &summary->rows : &summary->bad_rows) += 1;
    }
    if (err >= 0 && ferror(file)) err = -EIO;
    free(row);
    fclose(file);
    return err < 0 ? err : 0;
}
ASYNCIO_JOB(summarise)
