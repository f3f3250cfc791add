#pragma once
#include <mpi.h>

// Swift does not import macros that expand to casts. A function wraps each of them.
#define KAON_WRAP(type, name) static inline type _Nonnull kaon_##name(void) { return name; }

KAON_WRAP(MPI_Comm, MPI_COMM_WORLD)
KAON_WRAP(MPI_Comm, MPI_COMM_SELF)
KAON_WRAP(MPI_Errhandler, MPI_ERRORS_RETURN)
KAON_WRAP(MPI_Info, MPI_INFO_NULL)
KAON_WRAP(void *, MPI_IN_PLACE)

KAON_WRAP(MPI_Datatype, MPI_FLOAT)
KAON_WRAP(MPI_Datatype, MPI_DOUBLE)
KAON_WRAP(MPI_Datatype, MPI_INT32_T)
KAON_WRAP(MPI_Datatype, MPI_INT64_T)
KAON_WRAP(MPI_Datatype, MPI_UINT8_T)
KAON_WRAP(MPI_Datatype, MPI_UINT16_T)
KAON_WRAP(MPI_Datatype, MPI_UINT32_T)
KAON_WRAP(MPI_Datatype, MPI_UINT64_T)

KAON_WRAP(MPI_Op, MPI_SUM)
KAON_WRAP(MPI_Op, MPI_MAX)
KAON_WRAP(MPI_Op, MPI_MIN)

#undef KAON_WRAP
