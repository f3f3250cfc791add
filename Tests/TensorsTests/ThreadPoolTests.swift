import Foundation
import Synchronization
import Tensors
import Testing

/// The pool is global to the process: each of these tests runs in its own process.
@Suite struct ThreadPoolTests {
    /// Results agree with those of one thread to rounding, and are reproducible bit by bit at a number of threads.
    @Test(arguments: [2, 4]) func threadsComputeTheSame(threads: Int) async {
        await #expect(processExitsWith: .success) { [threads = threads as Int] in
            BLAS.useCallingThreadOnly()
            #expect(ThreadPool.shared.threads == 1)
            let one = everyOperation()
            ThreadPool.shared.resize(threads: threads)
            #expect(ThreadPool.shared.threads == threads)
            let many = everyOperation()
            #expect(many.count == one.count)
            for (name, values) in one {
                expectClose(
                    many[name]?.map(Double.init) ?? [], values.map(Double.init), 2e-5,
                    "\(name) on \(threads) threads")
            }
            for _ in 0..<4 { #expect(everyOperation() == many, "the bits differ from one time to the next") }
        }
    }

    /// Each element once, for counts around the size of a part and for more threads than elements.
    @Test(arguments: [1, 2, 3, 4, 7]) func workIsCutWithoutOverlap(threads: Int) async {
        await #expect(processExitsWith: .success) { [threads = threads as Int] in
            ThreadPool.shared.resize(threads: threads)
            let grain = 16384
            var counts = [0, 1, 2, 3, 5, 6, 7, 8, 100_003, 262_147]
            for parts in 1...8 { counts += [parts * grain - 1, parts * grain, parts * grain + 1] }
            for count in counts {
                let variable = Variable(leaf: Tensor(shape: [count]))
                for share: Float in [1, 2] {
                    variable.add(gradient: Tensor(repeating: share, shape: [count]))
                }
                let tensor = variable.gradient!
                #expect(tensor.buffer.allSatisfy { $0 == 3 }, "\(count) elements on \(threads) threads")
                #expect(tensor.sumOfSquares == 9 * Double(count), "\(count) elements on \(threads) threads")
            }
            // Rows of one element and jets of one token, whose parts have no minimum size.
            for rows in [0, 1, 2, 3, 5, 6, 7, 8, 97] {
                let x = Variable(leaf: Tensor(repeating: 2, shape: [rows, 3]))
                let scale = Variable(leaf: Tensor(repeating: 1, shape: [3]))
                let tape = Tape()
                let y = tape.residual(x, x, scale: scale)
                tape.backward(from: y, seed: Tensor(repeating: 1, shape: [rows, 3]))
                #expect(scale.gradient?.array == [Float](repeating: 2 * Float(rows), count: 3))
                let attention = Tape()
                let counts = [Int](repeating: 1, count: rows)
                let attended = attention.selfAttention(x, offsets: Offsets(counts: counts), heads: 1)
                #expect(attended.value.array == [Float](repeating: 2, count: rows))
            }
        }
    }

    /// Each thread takes its own pieces in ascending order, then those of the other one from the end: the rows that it
    /// wrote last are in the caches of its core.
    @Test func threadsKeepToTheirShares() async {
        await #expect(processExitsWith: .success) {
            ThreadPool.shared.resize(threads: 2)
            let caller = "\(pthread_self())"
            for _ in 0..<50 {
                let taken = Mutex<[String: [Int]]>([:])
                parallel(32, piecesPerThread: 16) { piece in
                    taken.withLock { $0["\(pthread_self())", default: []] += piece }
                    _ = randomTensor([1000], seed: 1)
                }
                for (thread, pieces) in taken.withLock({ $0 }) {
                    let share = thread == caller ? 0..<16 : 16..<32
                    let own = pieces.prefix { share.contains($0) }
                    let stolen = pieces.dropFirst(own.count)
                    #expect(own.elementsEqual(own.sorted()) && stolen.elementsEqual(stolen.sorted(by: >)), "\(pieces)")
                }
            }
        }
    }

    /// Long sets have the same bits for any number of threads, which divide heads or tiles among them.
    @Test func tiledAttentionDoesNotDependOnThreads() async {
        await #expect(processExitsWith: .success) {
            func results() -> [[Float]] {
                let x = Variable(leaf: randomTensor([700, 96], seed: 1))
                let tape = Tape()
                let y = tape.selfAttention(x, offsets: Offsets(counts: [400, 20, 280]), heads: 4)
                tape.backward(from: y, seed: randomTensor(y.shape, seed: 3))
                return [y.value.array, x.gradient!.array]
            }
            let one = results()
            ThreadPool.shared.resize(threads: 3)
            #expect(results() == one)
        }
    }

    /// Operations called from many threads at once use the pool or run without it; none deadlocks.
    @Test func callersDoNotDisturbEachOther() async {
        await #expect(processExitsWith: .success) {
            BLAS.useCallingThreadOnly()
            ThreadPool.shared.resize(threads: 3)
            let expected = everyOperation()
            await withTaskGroup(of: Bool.self) { group in
                for _ in 0..<4 {
                    group.addTask { (0..<2).allSatisfy { _ in everyOperation() == expected } }
                }
                for await isSame in group { #expect(isSame) }
            }
        }
    }
}

/// Values and gradients of every operation, of sizes for which several threads are used.
private func everyOperation() -> [String: [Float]] {
    var results: [String: [Float]] = [:]
    func run(_ name: String, _ inputs: [Tensor], _ operation: (Tape, [Variable]) -> Variable) {
        let variables = inputs.map { Variable(leaf: $0.copy()) }
        let tape = Tape()
        let y = operation(tape, variables)
        results[name] = y.value.array
        tape.backward(from: y, seed: randomTensor(y.shape, seed: 3))
        for (place, variable) in variables.enumerated() {
            results["gradient \(place) of \(name)"] = variable.gradient!.array
        }
    }
    let counts = [40, 0, 1, 77, 13, 60, 5, 90, 128, 33, 64, 2]
    let tokens = counts.reduce(0, +)
    let x = randomTensor([tokens, 96], seed: 1)
    let vectors = [randomTensor([96], seed: 2), randomTensor([96], seed: 3)]
    run("attention", [x]) { $0.selfAttention($1[0], offsets: Offsets(counts: counts), heads: 4) }
    run("causal attention", [x]) {
        $0.selfAttention($1[0], packing: Packing(Offsets(counts: counts), isCausal: true), heads: 4)
    }
    run("tiled attention", [x]) {
        $0.selfAttention($1[0], packing: Packing(Offsets(counts: counts), tiledPairs: 1), heads: 4)
    }
    run("linear", [x, randomTensor([130, 96], seed: 4), randomTensor([130], seed: 5)]) {
        $0.linear($1[0], weight: $1[1], bias: $1[2])
    }
    run("wide linear", [x.rows(0..<40), randomTensor([700, 96], seed: 4)]) {
        $0.linear($1[0], weight: $1[1], bias: nil)
    }
    run("norm", [x] + vectors) { $0.layerNorm($1[0], weight: $1[1], bias: $1[2]) }
    run("gate", [x]) { $0.swiglu($1[0]) }
    run("residual", [x, randomTensor(x.shape, seed: 6), vectors[0]]) {
        $0.residual($1[0], $1[1], scale: $1[2])
    }
    let form = SplineForm()
    let state = randomTensor([tokens, 5], seed: 20, deviation: 2)
    for (name, shape) in [("own", [tokens, 3 * form.parameters]), ("shared", [3, form.parameters])] {
        run("spline of \(name) parameters", [state, randomTensor(shape, seed: 21)]) {
            $0.rationalQuadraticSpline($1[0], features: [3, 0, 1], parameters: $1[1], form: form)
        }
    }
    let offsets = Offsets(counts: counts)
    let context = Offsets(counts: counts.reversed())
    run("cross-attention", [x, randomTensor([tokens, 192], seed: 22)]) {
        $0.crossAttention($1[0], $1[1], offsets: offsets, contextOffsets: context, heads: 4)
    }
    let modulations = randomTensor([counts.count, 3 * 96], seed: 23)
    run("modulated norm", [x, modulations]) {
        $0.modulatedNorm($1[0], modulations: $1[1], shift: 1, offsets: offsets)
    }
    run("gated residual", [x, randomTensor(x.shape, seed: 24), modulations]) {
        $0.gatedResidual($1[0], $1[1], modulations: $1[2], gate: 2, offsets: offsets)
    }
    run("pair distances", [x.rows(0..<131)]) {
        $0.pairDistances($1[0], offsets: Offsets(counts: Array(counts[..<5])))
    }
    let index = randomIndices(900, below: 50, seed: 7)
    run("gather", [randomTensor([30, 200], seed: 8), randomTensor([20, 200], seed: 9)]) {
        $0.gatherRows($1, index: index)
    }
    let logits = Variable(leaf: randomTensor([tokens, 101], seed: 10))
    let target = randomIndices(tokens, below: 101, seed: 11)
    let loss = Tape().crossEntropy(logits, target: target, smoothing: 0.1, scale: 1)
    results["cross-entropy"] = [Float(loss)]
    results["gradient of cross-entropy"] = logits.gradient!.array
    let difference = Variable(leaf: x)
    results["L1"] = [Float(Tape().l1Loss(difference, target: randomTensor(x.shape, seed: 12), scale: 1))]
    results["gradient of L1"] = difference.gradient!.array
    let doubt = Variable(leaf: randomTensor([50_000], seed: 25))
    let answers = randomIndices(50_000, below: 2, seed: 26).map { $0 == 1 }
    results["focal loss"] = [Float(Tape().focalLoss(doubt, target: answers, gamma: 2, scale: 1))]
    results["gradient of the focal loss"] = doubt.gradient!.array
    let nearest = NearestRows(randomTensor([500, 7], seed: 13)).indices(
        of: randomTensor([1000, 7], seed: 14))
    results["nearest rows"] = nearest.map(Float.init)
    let values = randomTensor([40_000], seed: 15)
    let moments = [Tensor(repeating: 0, shape: [40_000]), Tensor(repeating: 0, shape: [40_000])]
    Tensor.adamW(
        parameters: values, gradients: randomTensor([40_000], seed: 16), firstMoment: moments[0],
        secondMoment: moments[1], gradientScale: 0.5, learningRate: 0.1, beta1: 0.9, beta2: 0.999,
        epsilon: 1e-8,
        weightDecay: 0.01, update: 1)
    results["AdamW"] = values.array
    results["norm of a gradient"] = [Float(values.sumOfSquares)]
    return results
}
