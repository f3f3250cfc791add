import MPI
import Synchronization

/// The open files of one rank: a file is opened when it is first read, and the 32 used last stay open, so that
/// descriptors and memory do not grow with the number of files.
final class JetFilePool: Sendable {
    private static let limit = 32

    private let list: JetFileList
    private let reading: JetReading
    /// A communicator of this rank only, for parallel HDF5; nil in a job of one rank, which reads without MPI.
    private let communicator: Communicator?
    private let open = Mutex(LeastRecentlyUsed<any JetFile>(minimum: limit))

    init(_ list: JetFileList, reading: JetReading, on communicator: Communicator?) {
        self.list = list
        self.reading = reading
        self.communicator = communicator
    }

    /// The file with the given number. Throws as `openJetFile`, and `JetError` if the file is not as rank 0 found it.
    func file(_ number: Int) throws -> any JetFile {
        try open.withLock { try $0.value(number) { try open(number) } }
    }

    private func open(_ number: Int) throws -> any JetFile {
        let path = list.paths[number]
        let file: any JetFile
        do {
            file = try openJetFile(path, reading: reading, on: communicator)
        } catch let error as AgreedError {
            // The communicator has one rank, so the other ranks do not have this error.
            throw JetError(error.message)
        }
        guard file.count == list.counts[number], file.classNames == list.classNames else {
            throw JetError(
                "\(path) has \(file.count) jets of \(file.classNames.count) classes, but rank 0 found "
                    + "\(list.counts[number]) of \(list.classNames.count) in it: put the files on a file "
                    + "system that all nodes share, and do not change them while a run reads them")
        }
        return file
    }
}
