import Commands
import Foundation
import HDF5
import NN
import RunSupport
import Runs
import Safetensors
import TestSupport
import Testing

@Suite struct CheckpointTests {
    /// Parameters and optimizer of a run after some steps.
    private struct Model {
        let parameters: ParameterStore
        let optimizer: AdamW

        init(_ shapes: [[Int]] = [[3, 4], [5], [2, 3]], seed: UInt64 = 1) {
            parameters = RunSupport.parameters(shapes, seed: seed)
            optimizer = AdamW(parameters)
            for parameter in parameters.parameters {
                for i in parameter.range {
                    optimizer.firstMoment.pointer[i] = Float(seed) + Float(i) / 7
                    optimizer.secondMoment.pointer[i] = Float(seed) + Float(i) / 11
                }
            }
            optimizer.state.updates = [40 + Int(seed)]
        }

        func write(to path: String, _ state: TrainingState = CheckpointTests.state, note: Int = 9) throws {
            try Checkpoint.write(
                to: path, parameters: parameters, values: TrainedValues(of: optimizer), state: state,
                configuration: "seed: 3\n"
            ) { try $0.setAttribute("note", to: note) }
        }

        @discardableResult
        func read(
            from path: String, _ readState: (borrowing Group) throws -> Void = { _ in }
        ) throws -> TrainingState {
            try Checkpoint.read(from: path, into: optimizer, readState: readState)
        }

        /// Bits of parameters and optimizer state.
        var bits: [[UInt32]] {
            [parameters.values, optimizer.firstMoment, optimizer.secondMoment].map {
                $0.array.map(\.bitPattern)
            }
        }
    }

    private static var state: TrainingState {
        var state = TrainingState()
        state.step = 41
        state.epoch = 2
        state.stepInEpoch = 13
        state.jets = 5000
        state.lossSums = [0.1, 1.0 / 3]
        state.lossSteps = [4, 2]
        state.rows = 17
        state.skippedSteps = 3
        state.skippedInARow = 2
        state.best = TrainingState.Best(step: 40, loss: 0.1)
        return state
    }

    @Test func comesBackAsItWas() throws {
        try withScratchFolder { folder in
            let path = folder + "/c.h5"
            let (model, other) = (Model(), Model(seed: 2))
            try model.write(to: path)
            #expect(other.bits != model.bits)
            var note = 0
            #expect(try other.read(from: path) { note = try $0.intAttribute("note") } == Self.state)
            #expect(note == 9)
            #expect(other.bits == model.bits && other.optimizer.state.updates == [41])
            #expect(try Checkpoint.configuration(of: path) == "seed: 3\n")

            let again = folder + "/again.h5"
            try other.write(to: again)
            let files = try [path, again].map { try Data(contentsOf: URL(fileURLWithPath: $0)) }
            #expect(files[0] == files[1])
        }
    }

    /// In earlier versions all parameters of a pre-training were one group.
    @Test func oneGroupBecomesSeveral() throws {
        try withScratchFolder { folder in
            let (path, model) = (folder + "/c.h5", Model())
            try model.write(to: path)
            let builder = ParameterBuilder()
            for (index, (name, shape)) in [("a", [3, 4]), ("b", [5]), ("c", [2, 3])].enumerated() {
                builder.beginGroup(index < 2 ? "model" : "probe")
                _ = builder.root.parameter(name, shape: shape, .constant(0))
            }
            let optimizer = AdamW(builder.build(seed: 0))
            _ = try Checkpoint.read(from: path, into: optimizer) { _ in }
            #expect(optimizer.state.updates == [41, 41])
            #expect(optimizer.firstMoment.array == model.optimizer.firstMoment.array)
            optimizer.state.updates = [50, 43]
            let again = folder + "/again.h5"
            try Checkpoint.write(
                to: again, parameters: optimizer.parameters, values: TrainedValues(of: optimizer), state: Self.state,
                configuration: ""
            ) { _ in }
            _ = try Checkpoint.read(from: again, into: optimizer) { _ in }
            #expect(optimizer.state.updates == [50, 43])
        }
    }

    /// Losses in checkpoints without the name of a term are total losses, which those of a term do not compare with.
    @Test func theLossThatSelectsIsRecorded() throws {
        try withScratchFolder { folder in
            func stored(_ state: TrainingState) throws -> TrainingState {
                let path = "\(folder)/\(state.step)-\(state.selectingTerm ?? "total").h5"
                try Model().write(to: path, state)
                return try Model().read(from: path)
            }
            var total = Self.state
            (total.lowest, total.sinceLowest) = (0.1, 2)
            var state = try stored(total)
            state.select(by: nil)
            #expect(state == total)

            state.select(by: "reconstruction")
            #expect(state.best == TrainingState.Best(step: 40, loss: .infinity))
            #expect(state.lowest == nil && state.sinceLowest == 0)
            #expect(try stored(state) == state)

            state.best?.loss = 0.3
            (state.lowest, state.sinceLowest) = (0.3, 1)
            var again = try stored(state)
            again.select(by: "reconstruction")
            #expect(again == state)
        }
    }

    @Test func weightsComeAlone() throws {
        try withScratchFolder { folder in
            let path = folder + "/c.h5"
            let (model, other) = (Model(), Model(seed: 2))
            try model.write(to: path)
            let before = other.bits
            try Checkpoint.readWeights(from: path, into: other.parameters)
            #expect(other.bits[0] == model.bits[0])
            #expect(other.bits[1...] == before[1...] && other.optimizer.state.updates == [42])
        }
    }

    /// From a run that diverged; every step would be skipped.
    @Test func initialWeightsAreFinite() throws {
        try withScratchFolder { folder in
            let model = Model()
            let second = model.parameters.parameters[1]
            model.parameters.values.pointer[second.range.lowerBound + 3] = .nan
            let (path, export) = (folder + "/c.h5", folder + "/c.safetensors")
            try model.write(to: path)
            var writer = SafetensorsWriter()
            for parameter in model.parameters.parameters {
                let slice = model.parameters.values.slice(parameter.range, shape: parameter.shape)
                writer.add(parameter.name, slice.array, shape: parameter.shape)
            }
            try writer.write(to: export)
            for file in [path, export] {
                let message =
                    "\(file): the tensor b has values that are not finite; use weights from before the "
                    + "training diverged"
                let parameters = Model().parameters
                #expect(failure { _ = try ModelFile.readInitialWeights(from: file, into: parameters) } == message)
                #expect(failure { try ModelFile.readWeights(from: file, into: parameters) } == message)
                let group = model.parameters.groups[0].name
                #expect(
                    failure { try ModelFile.readWeights(from: file, into: parameters, group: group) } == message)
            }
        }
    }

    @Test(arguments: [
        ([[3, 4], [6], [2, 3]], "b has shape [5], this model has [6]"),
        ([[4, 3], [5], [2, 3]], "a has shape [3, 4], this model has [4, 3]"),
        ([[3, 4], [5], [2, 3], [1]], "it has no parameter d"),
        ([[3, 4], [5]], "it has a parameter c"),
    ])
    func anotherModelIsNamed(shapes: [[Int]], difference: String) throws {
        try withScratchFolder { folder in
            let path = folder + "/c.h5"
            try Model().write(to: path)
            let message = "\(path) is a checkpoint of another model: \(difference)"
            #expect(failure { try Model(shapes).read(from: path) } == message)
            #expect(failure { try Checkpoint.readWeights(from: path, into: parameters(shapes)) } == message)
        }
    }

    /// An optimizer with a single state tensor.
    private final class Momentum: Optimizer {
        let parameters: ParameterStore
        var state: OptimizerState

        init(_ parameters: ParameterStore) {
            self.parameters = parameters
            state = OptimizerState(of: "momentum", ["velocity"], for: parameters)
        }

        func update(_ part: ElementRanges.Part, _ update: OptimizerUpdate) {
            for (i, place) in zip(part.elements, part.compact) {
                state.entries[0].values.buffer[place] += parameters.gradients.buffer[i]
                parameters.values.buffer[i] -= Float(update.learningRate) * state.entries[0].values.buffer[place]
            }
        }
    }

    @Test func anotherOptimizersStateComesBack() throws {
        try withScratchFolder { folder in
            let path = folder + "/c.h5"
            let optimizer = Momentum(parameters([[3, 4], [5]]))
            for i in optimizer.parameters.parameters[1].range { optimizer.parameters.gradients.buffer[i] = Float(i) }
            for _ in 0..<2 { optimizer.step(learningRate: 0.5) }
            try Checkpoint.write(
                to: path, parameters: optimizer.parameters, values: TrainedValues(of: optimizer).copy(),
                state: Self.state, configuration: ""
            ) { _ in }
            let other = Momentum(parameters([[3, 4], [5]], seed: 2))
            #expect(try Checkpoint.read(from: path, into: other) { _ in } == Self.state)
            #expect(other.parameters.values.array == optimizer.parameters.values.array)
            #expect(other.state.entries[0].values.array == optimizer.state.entries[0].values.array)
            #expect(other.state.updates == [2])
        }
    }

    @Test func aCheckpointOfAnotherOptimizerIsRefused() throws {
        try withScratchFolder { folder in
            let (path, other) = (folder + "/adamw.h5", folder + "/momentum.h5")
            let model = Model()
            let optimizer = Momentum(model.parameters)
            try model.write(to: path)
            try Checkpoint.write(
                to: other, parameters: model.parameters, values: TrainedValues(of: optimizer), state: Self.state,
                configuration: ""
            ) { _ in }
            #expect(
                failure { _ = try Checkpoint.read(from: path, into: optimizer) { _ in } }
                    == "\(path) is a checkpoint of optimizer adamw; this run has optimizer momentum")
            #expect(
                failure { try model.read(from: other) }
                    == "\(other) is a checkpoint of optimizer momentum; this run has optimizer adamw")
        }
    }

    @Test func otherFilesAreNamed() throws {
        #expect(
            failure { try Model().read(from: sample("val")) }
                == "\(sample("val")) is not a checkpoint of kaon")
        #expect(failure { try Model().read(from: #filePath) } == "HDF5 open \(#filePath): not an HDF5 file")
        #expect(
            failure { try Model().read(from: "/nowhere.h5") }.hasPrefix("HDF5 open /nowhere.h5: no such file")
        )
        try withScratchFolder { folder in
            let path = folder + "/c.h5"
            try Model().write(to: path)
            let file = try File(opening: path, .readWrite)
            try file.root.setAttribute("format", to: 3)
            try file.root.sealAttributes()
            try file.close()
            try FileSeal.write(to: path)
            #expect(
                failure { try Model().read(from: path) }
                    == "\(path) has checkpoint format 3; this kaon reads format 2")
        }
    }

    /// A change of any byte is detected before HDF5 opens the file.
    @Test func anyChangedByteIsFound() throws {
        try withScratchFolder { folder in
            let path = folder + "/c.h5"
            let model = Model()
            try model.write(to: path)
            let data = try Data(contentsOf: URL(fileURLWithPath: path))
            for place in Array(stride(from: 0, to: data.count, by: 97)) + [data.count - 1] {
                var changed = data
                changed[place] ^= 16
                try changed.write(to: URL(fileURLWithPath: path))
                let message = failure { try Checkpoint.verify(path) }
                #expect(message.hasPrefix("HDF5 open \(path): "), "byte \(place): \(message)")
                #expect(failure { try model.read(from: path) } == message)
            }
        }
    }

    /// In addition, each dataset of weights has a checksum: a flipped bit is an error that names the dataset.
    @Test(arguments: ["/model/b", "/optimizer/first_moment/b", "/optimizer/second_moment/b"])
    func aFlippedBitIsFound(dataset: String) throws {
        try withScratchFolder { folder in
            let path = folder + "/c.h5"
            let model = Model()
            try model.write(to: path)
            var data = try Data(contentsOf: URL(fileURLWithPath: path))
            let stored = try File(opening: path).root.read(dataset, as: Float.self)
            let needle = stored.withUnsafeBytes { Data($0) }
            let place = try #require(data.range(of: needle))
            data[place.lowerBound + 6] ^= 4
            try data.write(to: URL(fileURLWithPath: path))
            try FileSeal.write(to: path)
            let message = failure { try Model(seed: 2).read(from: path) }
            #expect(message.contains("read \(dataset) in \(path)"), "\(message)")
        }
    }

    /// HDF5 has no checksums for strings; attributes are covered by the seal of their group.
    @Test(arguments: ["the configuration of a run", "the order of its jets"])
    func aChangedTextIsFound(text: String) throws {
        try withScratchFolder { folder in
            let path = folder + "/c.h5"
            let model = Model()
            try Checkpoint.write(
                to: path, parameters: model.parameters, values: TrainedValues(of: model.optimizer), state: Self.state,
                configuration: "the configuration of a run"
            ) { try $0.setAttribute("order", to: "the order of its jets") }
            #expect(failure { try Checkpoint.verify(path) } == "")
            var data = try Data(contentsOf: URL(fileURLWithPath: path))
            data[try #require(data.range(of: Data(text.utf8))).lowerBound + 5] ^= 1
            try data.write(to: URL(fileURLWithPath: path))
            try FileSeal.write(to: path)
            let place = text.contains("jets") ? "/state" : "/"
            let expected = "HDF5 read the attributes of \(place) in \(path): they differ from those that were written"
            #expect(failure { try Checkpoint.verify(path) } == expected)
            #expect(failure { try model.read(from: path) } == expected)
        }
    }

    /// A checkpoint without checksums of attributes and values can be read.
    @Test func aCheckpointWithoutChecksumsIsRead() throws {
        try withScratchFolder { folder in
            let path = folder + "/c.h5"
            let model = Model()
            try replaceFile(path) { root in
                try root.setAttribute("format", to: 2)
                let optimizer = try root.createGroup("optimizer")
                try optimizer.setAttribute("updates", to: [3])
                for group in ["model", "optimizer/first_moment", "optimizer/second_moment"] {
                    let group = try root.createGroup(group)
                    for parameter in model.parameters.parameters {
                        let values = Array(repeating: Float(2), count: parameter.range.count)
                        try group.write(values, shape: parameter.shape, as: parameter.name)
                    }
                }
                let state = try root.createGroup("state")
                for name in ["step", "epoch", "step_in_epoch", "jets", "rows", "skipped_steps", "skipped_in_a_row"] {
                    try state.setAttribute(name, to: 7)
                }
                try state.setAttribute("loss_sums", to: [1.5])
                try state.setAttribute("loss_steps", to: [7])
            }
            let state = try model.read(from: path)
            #expect(state.step == 7 && state.lossSums == [1.5] && state.skippedSteps == 7 && state.best == nil)
            #expect(model.parameters.parameters[0].variable.value.array.allSatisfy { $0 == 2 })
        }
    }

    @Test(arguments: [0.1, 0.5, 0.9, 0.999])
    func aTruncatedFileIsFound(part: Double) throws {
        try withScratchFolder { folder in
            let path = folder + "/c.h5"
            try Model().write(to: path)
            let data = try Data(contentsOf: URL(fileURLWithPath: path))
            try data.prefix(Int(part * Double(data.count))).write(to: URL(fileURLWithPath: path))
            #expect(failure { try Model().read(from: path) }.hasPrefix("HDF5 open \(path): "))
        }
    }

    /// After a failure, the earlier file is unchanged and no other file is left.
    @Test func aFailureLeavesNoTrace() throws {
        struct Failure: Error {}
        try withScratchFolder { folder in
            let path = folder + "/c.h5"
            let model = Model()
            try model.write(to: path)
            let before = try Data(contentsOf: URL(fileURLWithPath: path))
            #expect(throws: Failure.self) {
                try Checkpoint.write(
                    to: path, parameters: model.parameters, values: TrainedValues(of: model.optimizer),
                    state: TrainingState(),
                    configuration: ""
                ) { _ in throw Failure() }
            }
            #expect(try Data(contentsOf: URL(fileURLWithPath: path)) == before)
            #expect(try FileManager.default.contentsOfDirectory(atPath: folder) == ["c.h5"])
            // A folder of the same name prevents the final rename.
            try FileManager.default.createDirectory(
                atPath: folder + "/d.h5", withIntermediateDirectories: false)
            #expect(
                failure { try model.write(to: folder + "/d.h5") }
                    == "cannot write \(folder)/d.h5: Is a directory")
            #expect(try FileManager.default.contentsOfDirectory(atPath: folder).sorted() == ["c.h5", "d.h5"])
            #expect(
                failure { try model.write(to: folder + "/no/c.h5") }.hasPrefix(
                    "cannot write \(folder)/no/c.h5: there is no folder"))
        }
    }

    /// A run folder in place of a checkpoint is an error that says so, and so is the folder of its checkpoints.
    @Test func aRunIsNoCheckpoint() throws {
        try withScratchFolder { folder in
            try FileManager.default.createDirectory(atPath: folder + "/checkpoints", withIntermediateDirectories: true)
            try Data().write(to: URL(fileURLWithPath: folder + "/checkpoints/latest"))
            let said =
                "\(folder) is the folder of a run; name one of its checkpoints, such as \(folder)/checkpoints/latest"
            #expect(failure { _ = try Checkpoint.configuration(of: folder) } == said)
            #expect(failure { _ = try inspect([folder]) } == said)
            for path in [folder + "/checkpoints", folder + "/checkpoints/"] {
                let said =
                    "\(path) is the folder of the checkpoints of a run; name one of them, such as "
                    + "\(folder)/checkpoints/latest"
                #expect(failure { _ = try Checkpoint.configuration(of: path) } == said)
                #expect(failure { _ = try Checkpoint.checksum(of: path) } == said)
                #expect(failure { _ = try inspect([path]) } == said)
            }
        }
    }
}
