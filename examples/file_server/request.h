// Requests of HTTP/1.1, taken as strictly as RFC 9110 and 9112 allow.
//
// Bytes in, their meaning out: nothing here reads, waits or allocates, and what
// a request says points into the buffer that it came in. Whatever two readers
// might understand in two ways is refused, because a proxy in front of us may
// be the other reader: a line that ends in a bare LF, a folded field, a space
// before a colon, two lengths, a length beside a transfer coding.
//
//     struct request request = {0};
//     while ((n = request_parse(&request, data, len)) == 0)
//         len += ...; // read more behind what is there
//     if (n < 0)      // answer with the status -n, and hang up
//
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define REQUEST_LINE_MAX   8000  // bytes, of each line; more is 414 or 431
#define REQUEST_HEAD_MAX   16384 // bytes, of all lines; more is 431
#define REQUEST_FIELDS_MAX 100   // more is 431

struct request_text {
    const char *at; // NULL: it was not there
    size_t len;
};

struct request {
    struct request_text method, path, range; // as they were sent
    bool keep_alive; // the connection may be used for another request
    bool has_body;   // comes behind the head, and is not looked at here

    // The parser's own: how far it has come, and what it judges at the end.
    size_t parsed, fields;
    struct request_text host, if_range, content_length, transfer_encoding;
    bool version_1_0, wants_close, wants_keep_alive;
};

// Looks for a whole head in the `len` bytes of `data`. It goes on where it
// stopped, so a request begins all zero, and `data` stays where it is.
//
// returns   the length of the head; 0 if its end has not come yet; or the
//           status to refuse it with: -400, -414, -431, -501, -505
int request_parse(struct request *request, const char *data, size_t len);

// Writes the path, decoded, as a file is named below the folder that is served:
// "" for that folder itself, and a `/` at the end where there was one. No name
// in it is empty, begins with a dot (so that there is no way up, and nobody
// reads what is hidden or half written), or had an encoded slash in it.
//
// returns   its length without the zero at its end; -400 for what is no
//           encoding, or encodes a zero; -404 for what cannot be the name of a
//           file here
int request_path(const struct request *request, char *path, size_t size);

// Says which bytes of a file of `size` bytes are wanted. A range that makes no
// sense, several at once, and one that depends on what the client knows of the
// file (If-Range, which nobody can know here) mean all of it.
//
// returns   200 for all of it, 206 for a part, 416 if none of them is there
int request_range(const struct request *request, uint64_t size, uint64_t *first,
                  uint64_t *count);

// Whether `text` is `word`.
bool request_is(struct request_text text, const char *word);
