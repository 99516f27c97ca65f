// Team: the threads of parallel loops (OpenMP), started where a failure can still be reported.
#ifndef TWI_BASE_TEAM_H
#define TWI_BASE_TEAM_H

#include "base/error.h"

// Starts the team of `n` threads that parallel loops of the calling thread will use, if it is not there yet.
// TW_ENOMEM where the system gives no more threads or no memory for their stacks. Some 20 µs.
tw_status twi_team_start(int n, tw_err *err);

#endif
