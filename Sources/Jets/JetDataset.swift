import HDF5
import MPI

/// The jets of one or several files under one global numbering; every rank may read any of them.
public final class JetDataset: Sendable {
    /// The files, in the order of the numbering.
    public let paths: [String]
    /// Constituents of a jet after this many are not read.
    public let maxConstituents: Int
    /// The numbering of the jets, and the blocks that they are read in.
    public let layout: BlockLayout
    /// The names of the classes by label; empty where the files do not tell.
    public let classNames: [String]
    /// The ranks that share the dataset.
    public let communicator: Communicator
    private let files: [any JetFile]

    /// The number of jets.
    public var count: Int { layout.count }
    /// The number of blocks.
    public var blockCount: Int { layout.blockCount }

    /// Opens files on all ranks of a communicator; collective.
    ///
    /// Rank 0 first looks at the structure of every file. `jets` bounds the number of jets: the first ones
    /// are taken. Throws `AgreedError`, the same on every rank, where a file cannot be opened or does not
    /// fit.
    public init(
        paths: [String], maxConstituents: Int = 128, jets: Int? = nil, on communicator: Communicator
    ) throws {
        self.paths = paths
        self.maxConstituents = maxConstituents
        self.communicator = communicator
        _ = try communicator.onRoot { try Self.check(paths, maxConstituents: maxConstituents, jets: jets) }
        // One rank needs no MPI to read, nor MPI's leave to do so from another thread.
        let shared = communicator.size > 1 ? try communicator.duplicate() : nil
        var files: [any JetFile] = []
        for path in paths {
            files.append(
                try communicator.agree { try Self.open(path, maxConstituents: maxConstituents, on: shared) })
        }
        self.files = files
        classNames = files[0].classNames

        var left = jets ?? .max
        let lengths = files.map { file in
            let taken = min(file.count, left)
            left -= taken
            return taken
        }
        layout = BlockLayout(fileLengths: lengths, blockRows: files.map(\.blockRows).max()!)
        let seen = try communicator.allGather(lengths + [layout.blockRows])
        try communicator.agree {
            guard seen.allSatisfy({ $0 == seen[0] }) else {
                throw JetError(
                    "the ranks see different files under \(paths.joined(separator: ", ")): put them on a "
                        + "file system that all nodes share")
            }
        }
    }

    /// Reads a block, whatever other ranks do. Throws `HDF5Error`, or `JetError` at values that cannot be
    /// used.
    public func read(block: Int) throws -> JetBlock {
        let file = layout.file(ofBlock: block)
        let jets = layout.jets(ofBlock: block)
        let first = layout.firstJet(ofFile: file)
        return try files[file].read(rows: jets.lowerBound - first..<jets.upperBound - first)
    }

    /// The file and the row in it that a jet stands in.
    public func place(ofJet jet: Int) -> (path: String, row: Int) {
        let file = layout.file(ofBlock: layout.block(ofJet: jet))
        return (paths[file], jet - layout.firstJet(ofFile: file))
    }

    /// Where a second layout would be told from the first.
    private static func open(
        _ path: String, maxConstituents: Int, on communicator: Communicator?
    ) throws -> any JetFile {
        try PaddedFile(path: path, maxConstituents: maxConstituents, on: communicator)
    }

    private static func check(_ paths: [String], maxConstituents: Int, jets: Int?) throws {
        guard !paths.isEmpty else { throw JetError("no file of jets is given; name at least one") }
        guard maxConstituents > 0 else {
            throw JetError("max_constituents is \(maxConstituents); it must be at least 1")
        }
        if let jets, jets <= 0 { throw JetError("the number of jets is \(jets); it must be at least 1") }
        var first: [String]?
        for path in paths {
            let names = try open(path, maxConstituents: maxConstituents, on: nil).classNames
            guard names == first ?? names else {
                throw JetError(
                    "the classes in \(path) (\(names.joined(separator: ", "))) are not those in "
                        + "\(paths[0]) (\(first!.joined(separator: ", "))): write the files with the same "
                        + "names in the same order")
            }
            first = names
        }
    }
}
