internal import COpenMPI

/// A number type that MPI can send and reduce.
package protocol MPIScalar: BitwiseCopyable, Sendable {
    /// The corresponding type of MPI.
    static var mpiKind: MPIKind { get }
}

/// The number types of MPI that are used here.
package enum MPIKind: Sendable {
    case float32, float64, int32, int64, uint8, uint16, uint32, uint64

    var datatype: MPI_Datatype {
        switch self {
        case .float32: kaon_MPI_FLOAT()
        case .float64: kaon_MPI_DOUBLE()
        case .int32: kaon_MPI_INT32_T()
        case .int64: kaon_MPI_INT64_T()
        case .uint8: kaon_MPI_UINT8_T()
        case .uint16: kaon_MPI_UINT16_T()
        case .uint32: kaon_MPI_UINT32_T()
        case .uint64: kaon_MPI_UINT64_T()
        }
    }
}

extension Float: MPIScalar { package static var mpiKind: MPIKind { .float32 } }
extension Double: MPIScalar { package static var mpiKind: MPIKind { .float64 } }
extension Int32: MPIScalar { package static var mpiKind: MPIKind { .int32 } }
extension Int64: MPIScalar { package static var mpiKind: MPIKind { .int64 } }
extension Int: MPIScalar { package static var mpiKind: MPIKind { .int64 } }
extension UInt8: MPIScalar { package static var mpiKind: MPIKind { .uint8 } }
extension UInt16: MPIScalar { package static var mpiKind: MPIKind { .uint16 } }
extension UInt32: MPIScalar { package static var mpiKind: MPIKind { .uint32 } }
extension UInt64: MPIScalar { package static var mpiKind: MPIKind { .uint64 } }

/// The operation of a reduction, applied element by element.
package enum Reduction: Sendable {
    case sum, maximum, minimum

    var operation: MPI_Op {
        switch self {
        case .sum: kaon_MPI_SUM()
        case .maximum: kaon_MPI_MAX()
        case .minimum: kaon_MPI_MIN()
        }
    }
}
