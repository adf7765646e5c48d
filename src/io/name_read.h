// Answers from what c-ares hands over. Each returns NULL if there is no memory.
#pragma once

#include "io/name_answer.h"

struct ares_addrinfo;

// That there is none, for a status of c-ares. What does not exist holds for a
// moment; any other failure holds for those who asked.
struct asyncio__answer *asyncio__answer_without(int status);

// The addresses of a host, with its canonical name.
struct asyncio__answer *asyncio__answer_of(const struct ares_addrinfo *found);

// The name of `address`, from the packet that answers for it.
struct asyncio__answer *
asyncio__answer_in_packet(const struct asyncio__name_address *address,
                          const unsigned char *packet, int len);
