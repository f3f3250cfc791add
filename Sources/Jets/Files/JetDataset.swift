import MPI

/// The jets of one or several files with a common numbering; every rank can read any of them.
package final class JetDataset: Sendable {
    /// The files in the order of the numbering.
    package let paths: [String]
    /// The selection of data that is read of every jet.
    package let reading: JetReading
    /// The numbering of the jets in use and of the blocks that contain them.
    package let numbering: JetNumbering
    /// The names of the classes by label; empty if the files do not name them.
    package let classNames: [String]
    /// The features of blocks.
    package let features: JetFeatures
    /// True if a file does not name its classes, so that their names are those of `reading`.
    package let hasUnnamedClasses: Bool
    /// The number of jets that are left out because they are of other classes than the chosen ones; 0 if the choice
    /// is by number as well.
    package let otherJets: Int
    /// The ranks that read the dataset.
    package let communicator: Communicator
    private let files: JetFilePool

    /// The numbering of all jets, used or not.
    package var layout: BlockLayout { numbering.layout }
    /// The number of jets in use.
    package var count: Int { numbering.count }
    /// The number of blocks, used or not.
    package var blockCount: Int { layout.blockCount }

    /// Opens files on all ranks of a communicator; collective.
    ///
    /// A path may be a file, a folder, or a pattern with `*`, `?` or `[…]`. Each file is inspected by one rank; the
    /// others open it when they first read from it. Throws `AgreedError`, the same on every rank, if a file cannot be
    /// opened or does not fit, or if the chosen jets do not exist.
    ///
    ///     let train = try JetDataset(paths: ["train/*.h5"], choice: JetChoice(classes: ["QCD", "top"]), on: world)
    ///
    /// - Parameters:
    ///   - reading: what is read of every jet.
    ///   - jets: largest number of jets; the first ones are used.
    ///   - choice: the jets to use.
    package init(
        paths: [String], reading: JetReading = JetReading(), jets: Int? = nil, choice: JetChoice = .all,
        on communicator: Communicator
    ) throws {
        try communicator.agree {
            guard reading.maxConstituents > 0 else {
                throw JetError("max_constituents is \(reading.maxConstituents); it must be at least 1")
            }
            if let jets, jets <= 0 { throw JetError("the number of jets is \(jets); it must be at least 1") }
        }
        let list = try JetFileList(paths, reading: reading, on: communicator)
        // Its own communicator, because another dataset may be read in another thread.
        let files = JetFilePool(
            list, reading: reading, on: communicator.size > 1 ? try Communicator.selfOnly.duplicate() : nil)
        // Fail early if a rank cannot see the files.
        try communicator.agree { _ = try files.file(0) }

        let choice = try communicator.agree { try choice.resolved(for: list.classNames) }
        var left = choice == .all ? jets ?? .max : .max
        let lengths = list.counts.map { count in
            let taken = min(count, left)
            left -= taken
            return taken
        }
        let layout = BlockLayout(fileLengths: lengths, blockRows: list.blockRows)
        let selection = try choice.selection(
            in: layout, classNames: list.classNames, on: communicator,
            reading: { try files.labels(ofBlocks: $0, in: layout) })
        numbering = JetNumbering(
            layout: layout, selection: jets.flatMap { selection?.prefix($0, of: layout) } ?? selection)
        self.paths = list.paths
        self.reading = reading
        self.communicator = communicator
        self.files = files
        otherJets = selection.map { choice.jets == nil && choice.counts.isEmpty ? layout.count - $0.count : 0 } ?? 0
        (classNames, hasUnnamedClasses, features) = (list.classNames, list.hasUnnamedClasses, list.features)
    }

    /// The files that some paths, folders or patterns denote at present; none for a pattern without a match.
    package static func files(of patterns: [String]) -> [String] {
        patterns.flatMap { (try? JetFileList.expand($0)) ?? [] }
    }

    /// Reads the jets of a block that are in use, independently of other ranks. Throws `HDF5Error`, or `JetError` at
    /// values that cannot be used.
    package func read(block: Int) throws -> JetBlock {
        let (number, rows) = layout.place(ofBlock: block)
        var (file, read) = try files.withFile(number) { ($0, try $0.read(rows: rows)) }
        let used = numbering.selection.map { selection in
            selection.index(ofBlock: block).map { selection.rows(at: $0) } ?? []
        }
        if !reading.allowsEmptyJets {
            try file.checkNoJetIsEmpty(
                in: read, firstRow: rows.lowerBound, used: used, permission: "set data.allow_empty_jets to accept them")
        }
        read.order = nil
        return used.map(read.selecting) ?? read
    }

    /// A sentence about the files that are read without MPI-IO, as far as they have been opened; nil if there are none,
    /// as in a job of one rank.
    package var remarkOnFilesWithoutMPI: String? {
        let files = files.filesWithoutMPI
        guard let (path, reason) = files.first else { return nil }
        let others = files.count > 1 ? " (and \(files.count - 1) more)" : ""
        return "\(path)\(others) is read without MPI-IO, \(reason); the jets are the same"
    }

    /// Sentences about features that cannot be what their names say, from a random sample of jets; collective. Throws
    /// `AgreedError` if a rank cannot read.
    package func warnings(_ features: JetFeatures, jets: Int = 10_000, seed: UInt64) throws -> [String] {
        try ConstituentSample.summary(of: self, jets: jets, seed: seed, on: communicator).warnings(features)
    }

    /// The number of jets in use of each class, by label; collective. Only labels are read.
    ///
    /// Throws `AgreedError` if labels cannot be read or are not those of a class. The files have to name their classes.
    package func classCounts() throws -> [Int] {
        var counts = [Int](repeating: 0, count: classNames.count)
        try communicator.agree {
            let share = communicator.share(of: numbering.blockCount)
            // Reading many blocks at once: single reads would be dominated by overhead.
            let step = numbering.selection == nil ? 256 : 1
            for index in stride(from: share.lowerBound, to: share.upperBound, by: step) {
                let first = numbering.block(at: index)
                let blocks = first..<first + min(step, share.upperBound - index)
                let labels = try files.labels(ofBlocks: blocks, in: layout)
                if let selection = numbering.selection {
                    for row in selection.rows(at: index) { counts[Int(labels[row])] += 1 }
                } else {
                    for label in labels { counts[Int(label)] += 1 }
                }
            }
        }
        return try communicator.allReduce(counts)
    }

    /// The number of constituents of the jets in use; collective. Features are not read.
    ///
    /// Throws `AgreedError` if a rank cannot read.
    package func constituentCount() throws -> Int {
        let count = try communicator.agree {
            try communicator.share(of: numbering.blockCount).reduce(0) { sum, index in
                let (file, rows) = layout.place(ofBlock: numbering.block(at: index))
                let counts = try files.withFile(file) { try $0.constituentCounts(rows: rows) }
                guard let selection = numbering.selection else { return sum + counts.reduce(0, +) }
                return sum + selection.rows(at: index).reduce(0) { $0 + counts[$1] }
            }
        }
        return try communicator.allReduce(count)
    }

    /// The mean number of constituents of the jets in use of the first block; collective. Throws `AgreedError`.
    package func meanConstituents() throws -> Double {
        let mean = try communicator.onRoot {
            let jets = try read(block: numbering.block(at: 0))
            return Double(jets.identities.count) / Double(max(1, jets.count))
        }
        return try communicator.broadcast([mean ?? 0])[0]
    }

    /// The number of jets in use of each file.
    package var jetsOfFiles: [Int] {
        var counts = paths.map { _ in 0 }
        for index in 0..<numbering.blockCount {
            counts[layout.file(ofBlock: numbering.block(at: index))] += numbering.jetCount(at: index)
        }
        return counts
    }

    /// The file of a jet and the row in it.
    package func place(ofJet jet: Int) -> (path: String, row: Int) {
        let file = layout.file(ofBlock: layout.block(ofJet: jet))
        return (paths[file], jet - layout.firstJet(ofFile: file))
    }
}

extension JetFilePool {
    /// Reads the labels of consecutive blocks.
    func labels(ofBlocks blocks: Range<Int>, in layout: BlockLayout) throws -> [Int32] {
        var labels: [Int32] = []
        var block = blocks.lowerBound
        while block < blocks.upperBound {
            // Join the blocks that lie in the same file.
            let (file, first) = layout.place(ofBlock: block)
            var end = first.upperBound
            block += 1
            while block < blocks.upperBound, case let next = layout.place(ofBlock: block), next.file == file {
                end = next.rows.upperBound
                block += 1
            }
            labels += try withFile(file) { try $0.labels(rows: first.lowerBound..<end) }
        }
        return labels
    }
}
