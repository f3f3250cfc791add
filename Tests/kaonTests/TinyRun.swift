import Foundation
import HDF5

/// The path of a sample file: `train`, `val` or `test`.
func sample(_ name: String) -> String {
    URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .appendingPathComponent("Fixtures/jets/\(name).h5").path
}

/// The path of a file in `Fixtures/odd`, such as `virtual_gap`.
func oddFile(_ name: String) -> String {
    URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .appendingPathComponent("Fixtures/odd/\(name).h5").path
}

/// The columns of a `metrics.csv` that follow from the jets alone.
func metrics(_ directory: String) throws -> [String: [Double]] {
    let text = try String(contentsOfFile: directory + "/metrics.csv", encoding: .utf8)
    let lines = text.split(separator: "\n").map {
        $0.split(separator: ",", omittingEmptySubsequences: false).map(String.init)
    }
    var result: [String: [Double]] = [:]
    for (column, name) in lines[0].enumerated() where !["jets_per_second", "data_wait_ms"].contains(name) {
        result[name] = lines.dropFirst().compactMap { Double($0[column]) }
    }
    return result
}

/// A configuration of a small run in a folder of its own.
struct TinyRun {
    let folder: String

    /// Writes `tiny.yaml` into the folder, which is made where needed.
    init(in folder: String) throws {
        self.folder = folder
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        try """
        run: {directory: \(folder)/run}
        data: {train: ["\(sample("val"))"], validation: ["\(sample("test"))"]}
        preprocessing: {jets: 2000, quantiles: 50}
        model:
          encoder: {width: 16, layers: 1, heads: 2, registers: 2, layer_scale: 0.1}
          decoder: {width: 16, layers: 1, heads: 2, layer_scale: 0.1}
        tasks: {particle_id: {}, kmeans: {clusters: 16, fit_jets: 60, iterations: 2}}
        optimizer: {learning_rate: 1.0e-3}
        schedule: {warmup_steps: 4, half_life: 100}
        training: {steps: 6, batch_size: 20, micro_batch_size: 8, validation_interval: 4, validation_jets: 40,
                   checkpoint_interval: 4, log_interval: 2}
        parallel: {threads: 1}
        """.write(toFile: folder + "/tiny.yaml", atomically: true, encoding: .utf8)
    }

    var directory: String { folder + "/run" }
    var latest: String { directory + "/checkpoints/latest" }

    /// The arguments of `kaon` with some overrides.
    func arguments(_ overrides: [String] = []) -> [String] {
        ["pretrain", folder + "/tiny.yaml"] + overrides
    }

    /// The arguments of `kaon` for another objective with some overrides; a downstream task is trained from scratch.
    func arguments(_ objective: String, _ overrides: [String] = []) -> [String] {
        if objective == "mpm_v2" { return arguments(overrides) }
        return [
            "finetune", folder + "/tiny.yaml", "objective=\(objective)", "backbone_mode=scratch", "~tasks",
            "~model.decoder",
        ] + overrides
    }

    /// All files of the run with their contents, but the log and the lock.
    func contents() throws -> [String: Data] {
        var result: [String: Data] = [:]
        for path in try FileManager.default.subpathsOfDirectory(atPath: directory)
        where !["kaon.log", ".lock", "checkpoints", "checkpoints/latest"].contains(path) {
            result[path] = try Data(contentsOf: URL(fileURLWithPath: directory + "/" + path))
        }
        return result
    }
}

/// The first jets of a sample file, right until a test breaks them.
struct JetTable {
    var csts: [Float]
    var identities: [Int32]
    var mask: [UInt8]
    var labels: [Int]
    var names: [String]
    var count = 40
    var constituents = 128
    var features = 7
    var cstsType = ElementType.float32
    var missing = ""

    init() throws {
        let file = try File(opening: sample("val"))
        csts = Array(try file.root.read("csts", as: Float.self).prefix(count * constituents * features))
        identities = Array(try file.root.read("csts_id", as: Int32.self).prefix(count * constituents))
        mask = Array(try file.root.read("mask", as: UInt8.self).prefix(count * constituents))
        labels = Array(try file.root.read("labels", as: Int.self).prefix(count))
        names = try file.root.dataset("labels").stringsAttribute("names")
    }

    func write(to path: String, hasNames: Bool = true) throws {
        let file = try File(creating: path)
        try write("csts", cstsType, [count, constituents, features], csts, to: file.root)
        try write("csts_id", .int32, [count, constituents], identities, to: file.root)
        try write("mask", .boolean, [count, constituents], mask, to: file.root)
        try write("labels", .int64, [labels.count], labels, to: file.root)
        if missing != "labels", hasNames { try file.root.dataset("labels").setAttribute("names", to: names) }
        try file.close()
    }

    private func write<T: HDF5Scalar>(
        _ name: String, _ type: ElementType, _ shape: [Int], _ values: [T], to group: borrowing Group
    ) throws {
        guard name != missing else { return }
        let dataset = try group.createDataset(name, of: type, shape: shape)
        try values.withUnsafeBufferPointer { try dataset.write(rows: 0..<shape[0], from: $0) }
    }
}

/// A copy of the 1000 jets of a sample file, in two blocks, of which `change` may overwrite some rows.
func copySample(to path: String, _ change: (borrowing Group) throws -> Void = { _ in }) throws {
    try FileManager.default.copyItem(atPath: sample("val"), toPath: path)
    let file = try File(opening: path, .readWrite)
    try change(file.root)
    try file.close()
}

extension Group {
    /// Overwrites one feature of the first constituent of a jet.
    func set(feature: Int, ofJet jet: Int, to value: Float) throws {
        try [value].withUnsafeBufferPointer {
            try dataset("csts").write(start: [jet, 0, feature], count: [1, 1, 1], from: $0)
        }
    }
}
