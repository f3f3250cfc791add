import Foundation
import HDF5
import Jets
import Runs
import System

/// The description of one file, as text and as JSON.
struct InspectedFile: Encodable {
    /// The contents of a file.
    enum Kind: String, Encodable {
        case jets, checkpoint, export, fitted, encodings, predictions, reconstructions, other
    }

    private enum Key: CodingKey {
        case path, kind, bytes, description, datasets
    }

    let path: String
    let kind: Kind
    private let bytes: Int
    /// The first lines of the text.
    private let summary: String
    /// The rest of the text of files other than jets.
    private var details = ""
    private var datasets: [DatasetRow] = []
    /// Statistics of jets, or the reason why there are none.
    private var verdict: JetVerdict?

    /// Throws `HDF5Error`, `SafetensorsError` or `KaonError` if the file cannot be read.
    init(_ path: String) throws {
        self.path = path
        bytes = fileSize(path)
        if ExportedModel.isExport(path) {
            (kind, summary) = (.export, "a model in the safetensors format")
            details = "\(try ExportedModel(contentsOf: path))"
            return
        }
        let file = try openSealed(path)
        datasets = try Commands.datasets(under: file.root)
        kind = Self.kind(of: file.root)
        switch kind {
        case .checkpoint: (summary, details) = try Self.describeCheckpoint(file.root, path)
        case .fitted: summary = try Self.describeFitted(file.root)
        case .encodings: summary = try Self.describeEncodings(file.root)
        case .predictions: summary = try Self.describePredictions(file.root)
        case .reconstructions: summary = try Self.describeReconstructions(file.root)
        case .jets, .export:
            summary = try Self.describeJets(file.root)
            verdict = JetVerdict(path)
        case .other:
            summary = "an HDF5 file that is neither a checkpoint of kaon nor jets in the padded or the packed layout"
        }
    }

    private static func kind(of root: borrowing Group) -> Kind {
        if root.contains("model"), root.hasAttribute("format") { return .checkpoint }
        if root.contains("preprocessing"), root.hasAttribute("fingerprint") { return .fitted }
        if root.contains("encodings"), root.hasAttribute("checkpoint") { return .encodings }
        if root.contains("survivors"), root.hasAttribute("reconstructions") { return .reconstructions }
        if root.contains("csts") { return .jets }
        return root.hasAttribute("checkpoint") ? .predictions : .other
    }

    var text: String {
        var text = "\(path) (\(megabytes(bytes))): \(summary)\n"
        if let verdict { text += "\(verdict.text)\n" }
        switch kind {
        case .export, .checkpoint: text += details
        default: text += (verdict == nil ? "\n" : "") + table(of: datasets)
        }
        return text
    }

    func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: Key.self)
        try container.encode(path, forKey: .path)
        try container.encode(kind, forKey: .kind)
        try container.encode(bytes, forKey: .bytes)
        try container.encode(kind == .export ? summary + "\n" + details : summary, forKey: .description)
        if kind != .export { try container.encode(datasets, forKey: .datasets) }
        try verdict?.encode(to: encoder)
    }

    // MARK: - Kinds of files

    private static func describeCheckpoint(_ root: borrowing Group, _ path: String) throws -> (String, String) {
        try Checkpoint.checkFormat(root, path)
        let state = try root.group("state")
        let parameters = try Commands.datasets(under: root.group("model"))
        let configuration = try root.stringAttribute("configuration").split(separator: "\n")
        let summary = """
            a checkpoint of kaon \(try root.stringAttribute("kaon"))
            step \(try state.intAttribute("step")), epoch \(try state.intAttribute("epoch")), \
            \(try state.intAttribute("step_in_epoch")) batches of it done, \
            \(try state.intAttribute("jets")) jets seen
            trained on \(try state.stringAttribute("order"))
            \(parameters.reduce(0) { $0 + $1.elements }) parameters, \
            \(try root.group("optimizer").intsAttribute("updates").max() ?? 0) updates of the optimizer
            """
        let details = """
            \(try Provenance.lines(in: root).map { "\($0)\n" }.joined())
            configuration:
            \(configuration.map { "  " + $0 }.joined(separator: "\n"))

            /model:
            \(table(of: parameters))

            /state:
            \(table(of: try Commands.datasets(under: state)))
            """
        return (summary, details)
    }

    private static func describeFitted(_ root: borrowing Group) throws -> String {
        let fitted = try FittedState(from: root)
        let state = fitted.objective
        let parts = Set(
            (Array(state.tensors.keys) + state.integers.keys).map { key in
                key.split(separator: "/").dropLast().joined(separator: "/")
            }.filter { !$0.isEmpty }
        ).sorted()
        return """
            what a run has fitted to its training jets before the first step (fitted.h5)
            preprocessing: \(type(of: fitted.preprocessing).name) of \
            \(fitted.preprocessing.features.names.joined(separator: ", "))
            classes: \(fitted.classes?.names.joined(separator: ", ") ?? "none")
            other fits: \(parts.isEmpty ? "none" : parts.joined(separator: ", "))
            """
    }

    private static func describeEncodings(_ root: borrowing Group) throws -> String {
        let (shape, jets) = (try root.dataset("encodings").shape, try root.dataset("labels").shape[0])
        let pool = root.hasAttribute("pool") ? try root.stringAttribute("pool") : "none"
        let registers = root.hasAttribute("registers") ? try root.intAttribute("registers") : 0
        let rows =
            pool == "none"
            ? "\(shape[0]) rows, for each jet \(plural(registers, "register")) and its constituents"
            : "one row for each jet, the \(pool) over its registers and constituents"
        return """
            encodings of \(plural(jets, "jet")) with \(shape.count > 1 ? shape[1] : 1) channels: \(rows)
            encoded by \(try root.stringAttribute("checkpoint"))
            \(try classes(of: root))
            """
    }

    private static func describePredictions(_ root: borrowing Group) throws -> String {
        let jets = root.contains("labels") ? try root.dataset("labels").shape[0] : nil
        let classes =
            root.hasAttribute("classes") ? try root.stringsAttribute("classes").joined(separator: ", ") : "none"
        let version = root.hasAttribute("kaon") ? ["kaon: \(try root.stringAttribute("kaon"))"] : []
        let lines = try version + Provenance.lines(in: root)
        return """
            predictions of kaon evaluate\(jets.map { " for \(plural($0, "jet"))" } ?? "")
            checkpoint: \(try root.stringAttribute("checkpoint"))
            classes: \(classes)\(lines.map { "\n" + $0 }.joined())
            """
    }

    private static func describeReconstructions(_ root: borrowing Group) throws -> String {
        let jets = try root.dataset("labels").shape[0]
        let fraction = root.hasAttribute("fraction") ? try root.doubleAttribute("fraction") : .nan
        return """
            \(plural(jets, "jet")) with \(rounded(100 * fraction, digits: 3)) % of their constituents dropped and \
            reconstructed by \(try root.stringsAttribute("reconstructions").joined(separator: ", "))
            reconstructed by \(try root.stringAttribute("checkpoint"))
            \(try classes(of: root))
            """
    }

    private static func classes(of root: borrowing Group) throws -> String {
        let labels = try root.dataset("labels")
        guard labels.hasAttribute("names") else { return "classes: without names" }
        return "classes: " + (try labels.stringsAttribute("names").joined(separator: ", "))
    }

    private static func describeJets(_ root: borrowing Group) throws -> String {
        let shape = try root.dataset("csts").shape
        let source = root.hasAttribute("checkpoint") ? "\ngenerated by \(try root.stringAttribute("checkpoint"))" : ""
        if root.contains("offsets") {
            let jets = max(0, (try root.dataset("offsets").shape.first ?? 0) - 1)
            return "jets in the packed layout, \(jets) with \(shape.first ?? 0) constituents" + source
        }
        let slots = shape.count > 1 ? shape[1] : 0
        return "jets in the padded layout, \(shape.first ?? 0) of up to \(slots) constituents" + source
    }
}

/// The statistics of jets, or the reason for which they cannot be used for training.
struct JetVerdict: Encodable {
    private enum Key: CodingKey {
        case usable, reason
    }

    private let statistics: JetStatistics?
    private let reason: String?

    /// Reads a file.
    init(_ path: String) {
        do {
            self.init(of: try JetStatistics([path]))
        } catch {
            self.init(nil, reason: "\(error)")
        }
    }

    private init(_ statistics: JetStatistics?, reason: String?) {
        (self.statistics, self.reason) = (statistics, reason)
    }

    init(of statistics: JetStatistics) {
        let reason =
            statistics.emptyJets > 0
            ? "\(statistics.emptyJets) of \(plural(statistics.sampledJets, "jet")) have no constituents; training "
                + "refuses them unless data.allow_empty_jets is set" : nil
        self.init(statistics, reason: reason)
    }

    var text: String { statistics.map { "\n" + describe($0) } ?? "not usable: \(reason ?? "")" }

    func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: Key.self)
        try container.encode(reason == nil, forKey: .usable)
        try container.encodeIfPresent(reason, forKey: .reason)
        try statistics?.encode(to: encoder)
    }
}
