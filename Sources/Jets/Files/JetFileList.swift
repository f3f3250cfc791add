import Foundation
import MPI

/// The files of a dataset and their sizes.
struct JetFileList: Sendable {
    /// The smallest number of files that a rank inspects, so that rank 0 alone inspects a few.
    private static let smallestPart = 8

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

    /// The result of inspecting a file: its structure, or the error message.
    private enum Finding: Codable {
        case structure(JetFileStructure)
        case failure(String)
    }

    /// Inspects the files that match the patterns, each on one rank; collective.
    ///
    /// Throws `AgreedError` if a pattern has no match, or a file cannot be opened or does not fit.
    init(_ patterns: [String], reading: JetReading, on communicator: Communicator) throws {
        let found = try communicator.onRoot { try Self.paths(patterns) }
        // Paths contain no zero bytes.
        let paths = try communicator.broadcast(found?.joined(separator: "\0") ?? "").components(separatedBy: "\0")
        let part = max(Self.smallestPart, (paths.count + communicator.size - 1) / communicator.size)
        let own = Self.findings(paths.dropFirst(communicator.rank * part).prefix(part), reading: reading) { error in
            communicator.rank == 0 ? "\(error)" : "rank \(communicator.rank): \(error)"
        }
        let text = String(decoding: try JSONEncoder().encode(own), as: UTF8.self)
        let all = try communicator.allGather(text)
        self = try communicator.agree {
            try Self(paths, all.flatMap { try JSONDecoder().decode([Finding].self, from: Data($0.utf8)) })
        }
    }

    /// Inspects the files that match the patterns.
    ///
    /// Throws `JetError` if a pattern has no match, or a file cannot be opened or does not fit.
    init(_ patterns: [String], reading: JetReading) throws {
        let paths = try Self.paths(patterns)
        try self.init(paths, Self.findings(paths[...], reading: reading) { "\($0)" })
    }

    /// Throws `JetError` at the first file that cannot be used, or that does not fit to those before it.
    private init(_ paths: [String], _ findings: [Finding]) throws {
        var files: [JetFileStructure] = []
        for (path, finding) in zip(paths, findings) {
            switch finding {
            case .failure(let reason): throw JetError(reason)
            case .structure(let file):
                if let first = files.first { try Self.checkAgreement(of: file, path, with: first, paths[0]) }
                files.append(file)
            }
        }
        counts = files.map(\.count)
        // The keys of random numbers have 40 bits for the jet.
        guard counts.reduce(0.0, { $0 + Double($1) }) < 0x1p40 else {
            throw JetError("\(paths[0]) and the other files claim \(counts) jets, more than 2^40 in total")
        }
        self.paths = paths
        blockRows = files.map(\.blockRows).max()!
        servesMPI = files.map(\.servesMPI)
        hasUnnamedClasses = files.contains { !$0.namesClasses }
        classNames = files[0].classNames
        features = try files[0].features
        presentFeatures = files[0].presentFeatures.filter { column in
            files.allSatisfy { $0.presentFeatures.contains(column) }
        }
    }

    /// The files that the patterns denote. Throws `JetError` if a pattern has no match.
    private static func paths(_ patterns: [String]) throws -> [String] {
        let paths = try patterns.flatMap(expand)
        guard !paths.isEmpty else { throw JetError("no file of jets is given; name at least one") }
        return paths
    }

    /// Inspects files, up to the first one that cannot be used.
    private static func findings(
        _ paths: ArraySlice<String>, reading: JetReading, describe: (any Error) -> String
    ) -> [Finding] {
        var findings: [Finding] = []
        for path in paths {
            do {
                findings.append(.structure(try JetFileStructure(path, reading: reading)))
            } catch {
                findings.append(.failure(describe(error)))
                break
            }
        }
        return findings
    }

    /// Throws `JetError` unless a file has the classes and features of the first one.
    private static func checkAgreement(
        of file: JetFileStructure, _ path: String, with first: JetFileStructure, _ firstPath: String
    ) throws {
        guard file.classNames == first.classNames else {
            throw otherClasses(path, file.classNames, than: firstPath, first.classNames)
        }
        let (features, others) = (try file.features, try first.features)
        guard features.identities == others.identities else {
            throw JetError(
                "the identities in \(path) (\(features.identities.names.joined(separator: ", "))) are not those in "
                    + "\(firstPath) (\(others.identities.names.joined(separator: ", "))): write the files with the "
                    + "same ones")
        }
        guard features == others else {
            throw JetError(
                "the features in \(path) (\(features.storedNames.joined(separator: ", "))) are not those in "
                    + "\(firstPath) (\(others.storedNames.joined(separator: ", "))): write the files with the same "
                    + "features in the same order")
        }
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

/// The structure of a file of jets, as far as the files of a dataset have to agree in it.
struct JetFileStructure: Codable, Sendable {
    /// The number of jets.
    let count: Int
    /// The number of jets to read at once.
    let blockRows: Int
    let classNames: [String]
    /// True if the file itself names its classes.
    let namesClasses: Bool
    private let ownFeatures, identities: [String]
    /// The columns of blocks that the file has.
    let presentFeatures: [Int]
    /// True if MPI-IO can read the file.
    let servesMPI: Bool

    /// Inspects a file. Throws `HDF5Error` or `JetError` if it cannot be opened or does not fit.
    init(_ path: String, reading: JetReading) throws {
        let file = try openJetFile(path, reading: reading)
        try file.checkStorage()
        (count, blockRows, servesMPI) = (file.count, file.blockRows, file.servesMPI)
        (classNames, namesClasses) = (file.classNames, file.namesClasses)
        let stored = file.storedFeatures
        (ownFeatures, identities) = (stored.features.ownNames, stored.features.identities.names)
        presentFeatures = stored.present
    }

    /// The features of blocks.
    var features: JetFeatures {
        get throws { JetFeatures(own: ownFeatures, try Identities(identities)) }
    }
}
