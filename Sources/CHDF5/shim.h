#pragma once
#include <hdf5.h>
#include <sys/syscall.h>
#include <unistd.h>

// Swift does not import macros that expand to casts or calls of H5open(). A function wraps each of them.
#define KAON_WRAP(type, name) static inline type kaon_##name(void) { return name; }

KAON_WRAP(hid_t, H5T_NATIVE_FLOAT)
KAON_WRAP(hid_t, H5T_NATIVE_DOUBLE)
KAON_WRAP(hid_t, H5T_NATIVE_INT8)
KAON_WRAP(hid_t, H5T_NATIVE_INT16)
KAON_WRAP(hid_t, H5T_NATIVE_INT32)
KAON_WRAP(hid_t, H5T_NATIVE_INT64)
KAON_WRAP(hid_t, H5T_NATIVE_UINT8)
KAON_WRAP(hid_t, H5T_NATIVE_UINT16)
KAON_WRAP(hid_t, H5T_NATIVE_UINT32)
KAON_WRAP(hid_t, H5T_NATIVE_UINT64)
KAON_WRAP(hid_t, H5T_C_S1)
KAON_WRAP(size_t, H5T_VARIABLE)

KAON_WRAP(hid_t, H5P_FILE_CREATE)
KAON_WRAP(hid_t, H5P_FILE_ACCESS)
KAON_WRAP(hid_t, H5P_GROUP_CREATE)
KAON_WRAP(hid_t, H5P_DATASET_CREATE)
KAON_WRAP(hid_t, H5P_DATASET_XFER)
KAON_WRAP(hid_t, H5P_LINK_CREATE)
KAON_WRAP(hid_t, H5P_DEFAULT)
KAON_WRAP(haddr_t, HADDR_UNDEF)

KAON_WRAP(unsigned, H5F_ACC_RDONLY)
KAON_WRAP(unsigned, H5F_ACC_RDWR)
KAON_WRAP(unsigned, H5F_ACC_TRUNC)
KAON_WRAP(hid_t, H5E_DEFAULT)

#undef KAON_WRAP

// Takes the communicator as a void pointer, because the modules CHDF5 and COpenMPI import MPI_Comm as different types.
static inline herr_t kaon_H5Pset_fapl_mpio(hid_t list, void *communicator)
{
    return H5Pset_fapl_mpio(list, (MPI_Comm)communicator, MPI_INFO_NULL);
}

// The descriptor of a new file in memory, or -1 if the system does not support it. syscall() is variadic, which Swift
// does not import.
static inline int kaon_memory_file(void)
{
#ifdef SYS_memfd_create
    return (int)syscall(SYS_memfd_create, "discarded", 0);
#else
    return -1;
#endif
}
