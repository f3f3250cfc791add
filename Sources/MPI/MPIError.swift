internal import COpenMPI

/// A failed call to the MPI library: `MPI_Allreduce failed: MPI_ERR_COMM: invalid communicator`.
package struct MPIError: Error, CustomStringConvertible {
    /// The function that failed.
    package let call: String
    /// The library's error message.
    package let message: String

    package var description: String { "\(call) failed: \(message)" }
}

extension MPIError {
    /// Throws if `code`, the return value of the function `call`, is not `MPI_SUCCESS`.
    static func check(_ code: Int32, _ call: String) throws {
        guard code != MPI_SUCCESS else { return }
        throw MPIError(code: code, call: call)
    }

    /// The error that the function `call` returned as `code`.
    init(code: Int32, call: String) {
        self.call = call
        message = cString(capacity: MPI_MAX_ERROR_STRING) { MPI_Error_string(code, $0, $1) }
    }
}

/// The text that a function of MPI writes into a buffer of `capacity` bytes, along with its length.
func cString(
    capacity: Int32, _ write: (UnsafeMutablePointer<CChar>?, UnsafeMutablePointer<Int32>) -> Int32
) -> String {
    String(unsafeUninitializedCapacity: Int(capacity)) { bytes in
        var length: Int32 = 0
        _ = bytes.withMemoryRebound(to: CChar.self) { write($0.baseAddress, &length) }
        return Int(length)
    }
}
