internal import CHDF5
import Foundation
import System

/// The HDF5 library of the process.
package enum HDF5Library {
    /// The version of the library: `1.10.8`.
    package static var version: String {
        var (major, minor, release): (UInt32, UInt32, UInt32) = (0, 0, 0)
        locked { _ = H5get_libversion(&major, &minor, &release) }
        return "\(major).\(minor).\(release)"
    }

    /// Starts the library, which its first use does otherwise.
    ///
    /// To be called before `MPIEnvironment.initialize()`: a library that is started later ends in
    /// `MPIEnvironment.finalize()`, and crashes there if a file could not be written.
    package static func start() { locked {} }

    /// Held during every call, because the library is not thread-safe.
    ///
    /// A collective operation holds it until all ranks have called it. While one thread of a rank is in a collective
    /// operation on a file, its other threads must therefore not wait for other ranks.
    private static let lock: FairLock = {
        // At exit, the library would close open files, and crash if one cannot be written.
        _ = H5dont_atexit()
        // By default, the library prints all errors, including those that are caught.
        _ = H5Eset_auto2(kaon_H5E_DEFAULT(), nil, nil)
        return FairLock()
    }()

    package static func locked<R>(_ work: () throws -> R) rethrows -> R {
        lock.lock()
        CrashGuard.enter()
        defer {
            CrashGuard.leave()
            lock.unlock()
        }
        return try work()
    }

    /// The result of a call to the library. Throws `HDF5Error` if it is negative, which means failure, or if the file
    /// system has refused a read or a write: Open MPI's MPI-IO does not report that, and the library takes zeros for
    /// what was not read.
    ///
    ///     try HDF5Library.call("close \(path)") { H5Fclose(id) }
    @discardableResult
    static func call<Result: SignedInteger>(
        _ operation: @autoclosure () -> String, _ function: () -> Result
    ) throws -> Result {
        try locked {
            let operation = operation()
            CrashGuard.note(operation)
            errno = 0
            let result = function()
            let refusal = HDF5Error.refusals.contains(errno) ? errno : nil
            guard result >= 0, refusal == nil else { throw HDF5Error(lastErrorIn: operation, refusal: refusal) }
            return result
        }
    }
}
