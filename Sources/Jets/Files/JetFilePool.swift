import Foundation
import HDF5
import MPI
import Synchronization
import System

/// The open files of one rank: a file is opened when it is first read, and the 32 used last stay open, so that
/// descriptors and memory do not grow with the number of files.
final class JetFilePool: Sendable {
    private static let limit = 32
    /// The waits before reads are repeated [s]: together shorter than the silence that the watchdog allows.
    private static let waits = [1.0, 10, 60]

    private let list: JetFileList
    private let reading: JetReading
    /// A communicator of this rank only, for parallel HDF5; nil in a job of one rank, which reads without MPI.
    private let communicator: Communicator?
    /// The files that MPI-IO could not open, and the reasons.
    private let refused = Mutex([Int: String]())
    private let open = Mutex(LeastRecentlyUsed<any JetFile>(minimum: limit))

    init(_ list: JetFileList, reading: JetReading, on communicator: Communicator?) {
        self.list = list
        self.reading = reading
        self.communicator = communicator
    }

    /// The file with the given number. Throws as `openJetFile`, and `JetError` if the file is not as it was found.
    func file(_ number: Int) throws -> any JetFile {
        try open.withLock { try $0.value(number) { try open(number) } }
    }

    /// Calls `read` with the file with the given number. If the file system does not respond, as during the failover of
    /// a server, the file is opened anew and read again after each of `waits`. Throws the errors of `file` and of
    /// `read`.
    func withFile<R>(_ number: Int, _ read: (any JetFile) throws -> R) throws -> R {
        for wait in Self.waits {
            do {
                return try read(file(number))
            } catch let error as HDF5Error where error.isTransient {
                Console.warnOfRank("\(MPIEnvironment.processorName): \(error); the read is repeated in \(Int(wait)) s")
                Thread.sleep(forTimeInterval: wait)
                open.withLock { $0.remove(number) }
            }
        }
        return try read(file(number))
    }

    /// The files that this rank reads without MPI-IO, and the reasons.
    var filesWithoutMPI: [(path: String, reason: String)] {
        guard communicator != nil else { return [] }
        let refused = refused.withLock { $0 }
        return list.paths.indices.compactMap { number in
            let reason = list.servesMPI[number] ? refused[number] : "which cannot read virtual datasets"
            return reason.map { (list.paths[number], $0) }
        }
    }

    /// Opens a file through MPI-IO, or without it if it cannot open or read the file. The rows are the same.
    private func open(_ number: Int) throws -> any JetFile {
        let path = list.paths[number]
        var file: (any JetFile)?
        if let communicator, list.servesMPI[number] {
            do {
                file = try openJetFile(path, reading: reading, on: communicator)
            } catch let error as JetError {
                throw error
            } catch {
                refused.withLock { $0[number] = "which cannot open it: \(error)" }
            }
        }
        let opened = try file ?? openJetFile(path, reading: reading)
        try check(opened, number)
        return opened
    }

    private func check(_ file: any JetFile, _ number: Int) throws {
        let path = list.paths[number]
        guard file.count == list.counts[number], file.classNames == list.classNames else {
            throw JetError(
                "\(path) has \(file.count) jets of \(file.classNames.count) classes, but had "
                    + "\(list.counts[number]) of \(list.classNames.count) at the start: put the files on a file "
                    + "system that all nodes share, and do not change them while a run reads them")
        }
    }
}
