import MPI
import Synchronization

/// The open files of one rank: each is opened when it is first read, and the last 32 stay open, so that
/// descriptors and memory do not depend on how many there are.
final class JetFilePool: Sendable {
    private static let limit = 32

    private let list: JetFileList
    private let maxConstituents: Int
    private let constituentLabels: [String]
    /// This rank alone, for parallel HDF5; nil where there is one rank, which needs no MPI to read.
    private let communicator: Communicator?
    private let open = Mutex(LeastRecentlyUsed<any JetFile>(minimum: limit))

    init(
        _ list: JetFileList, maxConstituents: Int, constituentLabels: [String] = [], on communicator: Communicator?
    ) {
        self.list = list
        self.maxConstituents = maxConstituents
        self.constituentLabels = constituentLabels
        self.communicator = communicator
    }

    /// The file of that number. Throws what opening it throws, and `JetError` where rank 0 saw another.
    func file(_ number: Int) throws -> any JetFile {
        try open.withLock { try $0.value(number) { try open(number) } }
    }

    private func open(_ number: Int) throws -> any JetFile {
        let path = list.paths[number]
        let file: any JetFile
        do {
            file = try openJetFile(
                path, maxConstituents: maxConstituents, constituentLabels: constituentLabels, on: communicator)
        } catch let error as AgreedError {
            // Agreed with nobody: the other ranks do not know.
            throw JetError(error.message)
        }
        guard file.count == list.counts[number], file.classNames == list.classNames else {
            throw JetError(
                "\(path) has \(file.count) jets of \(file.classNames.count) classes, but rank 0 found "
                    + "\(list.counts[number]) of \(list.classNames.count) in it: put the files on a file "
                    + "system that all nodes share, and leave them alone while a run reads them")
        }
        return file
    }
}
