// What the file calls share.
#pragma once

#include "io/operation.h"

// Carries an operation on a file out, unless the task has been cancelled
// already.
int asyncio__file_operate(const struct asyncio__op *op);
