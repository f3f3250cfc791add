import Foundation
import MPI

/// The files of a dataset and their sizes, found by rank 0, so that the other ranks need not open every file.
struct JetFileList: Sendable {
    let paths: [String]
    /// The number of jets in each file.
    let counts: [Int]
    /// The number of jets to read at once.
    let blockRows: Int
    let classNames: [String]
    /// The features of blocks, and their columns that all files have.
    let features: JetFeatures
    let presentFeatures: [Int]
    /// True if a file does not name its classes.
    let hasUnnamedClasses: Bool
    /// For each file, whether MPI-IO can read it.
    let servesMPI: [Bool]

    /// Inspects the files that match the patterns on rank 0 and broadcasts the result; collective.
    ///
    /// Throws `AgreedError` if a pattern has no match, or a file cannot be opened or does not fit.
    init(_ patterns: [String], reading: JetReading, on communicator: Communicator) throws {
        let found = try communicator.onRoot { try Self(patterns, reading: reading) }
        func broadcast(_ texts: [String]?) throws -> [String] {
            // Paths and names contain no zero bytes.
            let text = try communicator.broadcast(texts?.joined(separator: "\0") ?? "")
            return text.isEmpty ? [] : text.components(separatedBy: "\0")
        }
        paths = try broadcast(found?.paths)
        classNames = try broadcast(found?.classNames)
        let own = try broadcast(found?.features.ownNames)
        features = JetFeatures(own: own, try Identities(broadcast(found?.features.identities.names)))
        presentFeatures = try communicator.broadcast(found?.presentFeatures ?? [])
        counts = try communicator.broadcast(found?.counts ?? [])
        servesMPI = try communicator.broadcast(found?.servesMPI.map { $0 ? 1 : 0 } ?? []).map { $0 == 1 }
        let numbers = try communicator.broadcast([found?.blockRows ?? 0, found?.hasUnnamedClasses == true ? 1 : 0])
        (blockRows, hasUnnamedClasses) = (numbers[0], numbers[1] == 1)
    }

    /// Inspects the files that match the patterns.
    ///
    /// Throws `HDF5Error` or `JetError` if a pattern has no match or a file does not fit.
    init(_ patterns: [String], reading: JetReading) throws {
        paths = try patterns.flatMap(Self.expand)
        guard !paths.isEmpty else { throw JetError("no file of jets is given; name at least one") }
        var (counts, blockRows, names) = ([Int](), 0, [String]?.none)
        var (hasUnnamedClasses, stored) = (false, [StoredFeatures]())
        var servesMPI: [Bool] = []
        for path in paths {
            let file = try openJetFile(path, reading: reading)
            guard file.classNames == names ?? file.classNames else {
                throw Self.otherClasses(path, file.classNames, than: paths[0], names!)
            }
            if let first = stored.first?.features.identities, first != file.storedFeatures.features.identities {
                throw JetError(
                    "the identities in \(path) "
                        + "(\(file.storedFeatures.features.identities.names.joined(separator: ", "))) are not those in "
                        + "\(paths[0]) (\(first.names.joined(separator: ", "))): write the files with the same ones")
            }
            if let first = stored.first, first.features != file.storedFeatures.features {
                throw JetError(
                    "the features in \(path) (\(file.storedFeatures.features.storedNames.joined(separator: ", "))) are "
                        + "not those in \(paths[0]) (\(first.features.storedNames.joined(separator: ", "))): write the "
                        + "files with the same features in the same order")
            }
            stored.append(file.storedFeatures)
            try file.checkStorage()
            servesMPI.append(file.servesMPI)
            names = file.classNames
            hasUnnamedClasses = hasUnnamedClasses || !file.namesClasses
            counts.append(file.count)
            blockRows = max(blockRows, file.blockRows)
        }
        // The keys of random numbers have 40 bits for the jet.
        guard counts.reduce(0.0, { $0 + Double($1) }) < 0x1p40 else {
            throw JetError("\(paths[0]) and the other files claim \(counts) jets, more than 2^40 in total")
        }
        self.counts = counts
        self.blockRows = blockRows
        self.servesMPI = servesMPI
        self.hasUnnamedClasses = hasUnnamedClasses
        classNames = names ?? []
        features = stored[0].features
        presentFeatures = stored[0].present.filter { column in stored.allSatisfy { $0.present.contains(column) } }
    }

    /// The error about files whose classes differ.
    private static func otherClasses(
        _ path: String, _ names: [String], than first: String, _ others: [String]
    ) -> JetError {
        if names.isEmpty || others.isEmpty {
            let (named, unnamed) = others.isEmpty ? (path, first) : (first, path)
            return JetError(
                "\(named) names its classes (\((names + others).joined(separator: ", "))), but \(unnamed) does not: "
                    + "list the names of its labels in data.class_names")
        }
        return JetError(
            "the classes in \(path) (\(names.joined(separator: ", "))) are not those in \(first) "
                + "(\(others.joined(separator: ", "))): write the files with the same names in the same order")
    }

    /// The files that a path denotes: itself, all HDF5 files in a folder, or all that match a pattern with `*`, `?` or
    /// `[…]`; sorted, because the order of the file system is arbitrary. Throws `JetError` if there are none.
    static func expand(_ path: String) throws -> [String] {
        var isFolder: ObjCBool = false
        if FileManager.default.fileExists(atPath: path, isDirectory: &isFolder) {
            guard isFolder.boolValue else { return [path] }
            let names: [String]
            do { names = try FileManager.default.contentsOfDirectory(atPath: path) } catch {
                throw JetError("the folder \(path) cannot be read; check its permissions")
            }
            let files = names.filter { !$0.hasPrefix(".") && ($0.hasSuffix(".h5") || $0.hasSuffix(".hdf5")) }
            guard !files.isEmpty else {
                throw JetError("the folder \(path) has no file that ends in .h5 or .hdf5; name another folder")
            }
            return files.sorted().map { path.hasSuffix("/") ? path + $0 : "\(path)/\($0)" }
        }
        guard path.contains(where: { "*?[".contains($0) }) else { return [path] }
        var matches = glob_t()
        defer { globfree(&matches) }
        guard glob(path, GLOB_NOSORT, nil, &matches) == 0 else {
            throw JetError("no file matches \(path); correct the pattern")
        }
        return (0..<Int(matches.gl_pathc)).map { String(cString: matches.gl_pathv[$0]!) }.sorted()
    }
}
