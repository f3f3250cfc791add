import System
import Tensors
import Testing

/// The counters of the arena are global to the process, and other tests use it concurrently: each of these tests runs
/// in its own process.
@Suite struct ArenaTests {
    /// A block is at least as large as requested, at most slightly larger, and aligned for vectors.
    @Test func sizesAreRoundedUp() async {
        await #expect(processExitsWith: .success) {
            var random = RandomSequence(RandomKey(seed: 1, stream: .order))
            var sizes = [0, 1, 63, 64, 65, 127, 128, 129, 1024, 1025, 1 << 20, 9 << 20, (20 << 20) + 1]
            for _ in 0..<300 { sizes.append(random.below(1 << (7 + random.below(15)))) }
            for count in sizes {
                let before = Arena.shared.statistics
                let tensor = Tensor(shape: [count])
                let used = Arena.shared.statistics.usedBytes - before.usedBytes
                #expect(used >= 4 * count, "\(count) elements in \(used) bytes")
                #expect(used <= 4 * count + 256, "\(count) elements in \(used) bytes")
                #expect(UInt(bitPattern: tensor.pointer) % 64 == 0, "vectors want aligned memory")
                tensor.pointer.update(repeating: 1, count: count)
            }
        }
    }

    /// Blocks freed one by one, in any order, merge into one large block.
    @Test func neighboursJoinWhenFreed() async {
        await #expect(processExitsWith: .success) {
            do { _ = Tensor(shape: [1000]) }
            let piece = Arena.shared.statistics.reservedBytes / 4
            var random = RandomSequence(RandomKey(seed: 2, stream: .order))
            for _ in 0..<20 {
                var parts = (0..<16).map { _ in Tensor(shape: [piece / 16]) }
                #expect(Arena.shared.statistics.usedBytes == Arena.shared.statistics.reservedBytes)
                while !parts.isEmpty { parts.remove(at: random.below(parts.count)) }
                _ = Tensor(shape: [piece])
            }
            #expect(Arena.shared.statistics.systemAllocations == 1)
        }
    }

    /// The smallest sufficient free block is used: a large one stays available for a large request.
    @Test func theSmallestBlockThatFitsIsTaken() async {
        await #expect(processExitsWith: .success) {
            let mebi = 1 << 18  // elements
            var held: [Tensor?] = [8, 1, 2, 1, 4, 1].map { Tensor(shape: [$0 * mebi]) }
            held[0] = nil
            held[2] = nil
            held[4] = nil
            let small = Tensor(shape: [2 * mebi])
            let middle = Tensor(shape: [3 * mebi])
            let large = Tensor(shape: [8 * mebi])
            #expect(Arena.shared.statistics.systemAllocations == 1)
            withExtendedLifetime((held, small, middle, large)) {}
        }
    }

    /// The system has the memory of free blocks after a release, and gives it back where it is used.
    @Test func freeMemoryIsReturned() async {
        await #expect(processExitsWith: .success) {
            let count = 64 << 20
            let held = Tensor(repeating: 3, shape: [1000])
            do { _ = Tensor(repeating: 1, shape: [count]) }
            func resident() -> Int { ProcessStatus().number("VmRSS")! / 1024 }
            let before = resident()
            Arena.shared.releaseFreeMemory()
            #expect(resident() < before - 200)
            #expect(Tensor(repeating: 2, shape: [count]).array.last == 2)
            #expect(held.array.allSatisfy { $0 == 3 })
        }
    }

    /// Views retain their block; the last one frees it.
    @Test func viewsKeepTheirBlock() async {
        await #expect(processExitsWith: .success) {
            let before = Arena.shared.statistics.usedBytes
            var view: Tensor?
            do {
                let whole = Tensor(repeating: 3, shape: [100, 100])
                view = whole.rows(10..<20).reshaped([1000])
            }
            #expect(Arena.shared.statistics.usedBytes >= before + 40_000)
            #expect(view!.array == [Float](repeating: 3, count: 1000))
            view = nil
            #expect(Arena.shared.statistics.usedBytes == before)
            #expect(Arena.shared.statistics.peakBytes >= before + 40_000)
        }
    }

    /// After the first steps nothing is allocated from the system, whether sizes vary or not.
    @Test func aSteadyStateAllocatesNothing() async {
        await #expect(processExitsWith: .success) {
            let chain = Chain(layers: 4)
            for _ in 0..<2 { chain.step(tokens: 200) }
            let steady = Arena.shared.statistics
            for _ in 0..<5 { chain.step(tokens: 200) }
            #expect(Arena.shared.statistics.systemAllocations == steady.systemAllocations)
            #expect(Arena.shared.statistics.reservedBytes == steady.reservedBytes)
            #expect(Arena.shared.statistics.usedBytes == steady.usedBytes)

            var random = RandomSequence(RandomKey(seed: 1, stream: .order))
            for _ in 0..<60 { chain.step(tokens: 150 + random.below(100)) }
            let varied = Arena.shared.statistics
            for _ in 0..<60 { chain.step(tokens: 150 + random.below(100)) }
            #expect(Arena.shared.statistics.systemAllocations == varied.systemAllocations)
        }
    }

    /// Many threads use the arena at once: no block is given out twice.
    @Test func threadsShareTheArena() async {
        await #expect(processExitsWith: .success) {
            await withTaskGroup(of: Bool.self) { group in
                for task in 0..<8 {
                    group.addTask {
                        var random = RandomSequence(RandomKey(seed: UInt64(task), stream: .order))
                        var held: [(Tensor, Float)] = []
                        for turn in 0..<2000 {
                            let value = Float(task * 10_000 + turn)
                            held.append((Tensor(repeating: value, shape: [1 + random.below(400)]), value))
                            if held.count > 10 {
                                let (tensor, value) = held.remove(at: random.below(held.count))
                                guard tensor.buffer.allSatisfy({ $0 == value }) else { return false }
                            }
                        }
                        return true
                    }
                }
                for await isIntact in group { #expect(isIntact, "a block was handed out twice") }
            }
            #expect(Arena.shared.statistics.usedBytes == 0)
        }
    }
}

/// The memory that a tape retains.
@Suite struct TapeMemoryTests {
    @Test func evaluationKeepsNothing() async {
        await #expect(processExitsWith: .success) {
            let chain = Chain(layers: 6)
            let before = Arena.shared.statistics
            let tape = Tape(recording: false)
            var output: Variable? = chain.forward(tokens: 500, on: tape)
            let bytes = 500 * Chain.width * 4
            #expect(output!.value.count * 4 == bytes)
            #expect(Arena.shared.statistics.usedBytes - before.usedBytes <= 2 * bytes, "the output alone")
            // The memory per layer, for its input, output and intermediate values, does not depend on the number of
            // layers.
            #expect(Arena.shared.statistics.peakBytes - before.usedBytes <= 9 * bytes)
            output = nil
            #expect(Arena.shared.statistics.usedBytes == before.usedBytes)
            withExtendedLifetime(tape) {}
        }
    }

    @Test func aTapeThatIsDroppedGivesItsMemoryBack() async {
        await #expect(processExitsWith: .success) {
            let chain = Chain(layers: 6)
            let before = Arena.shared.statistics.usedBytes
            do {
                let tape = Tape()
                _ = chain.forward(tokens: 500, on: tape)
                #expect(Arena.shared.statistics.usedBytes - before >= 6 * 2 * 500 * Chain.width * 4)
            }
            #expect(Arena.shared.statistics.usedBytes == before)
        }
    }

    /// The backward pass needs no more memory than the forward pass retained, up to a few tensors, and frees it layer
    /// by layer.
    @Test func activationsAreFreedAsBackwardGoes() async {
        await #expect(processExitsWith: .success) {
            let chain = Chain(layers: 8)
            let before = Arena.shared.statistics.usedBytes
            let activation = 500 * Chain.width * 4
            let tape = Tape()
            let input = Variable(leaf: randomTensor([500, Chain.width], seed: 9))
            var used: [Int] = []
            tape.onGradientComplete = { variable in
                if chain.isFirst(variable) { used.append(Arena.shared.statistics.usedBytes) }
            }
            do {
                let output = chain.forward(input, on: tape)
                output.add(gradient: Tensor(repeating: 1, shape: output.shape))
            }
            let kept = Arena.shared.statistics.usedBytes
            #expect(kept - before >= 8 * 2 * activation)
            tape.backward()
            #expect(used.count == 8)
            for (earlier, later) in zip(used, used.dropFirst()) {
                #expect(
                    earlier - later >= 2 * activation, "a layer's activations are gone after its gradient")
            }
            #expect(Arena.shared.statistics.peakBytes - kept <= 8 * activation)
            // The input and its gradient remain.
            #expect(Arena.shared.statistics.usedBytes - before <= 4 * activation)
            #expect(input.gradient != nil)
        }
    }
}

/// A stack of gated layers with residual connections.
private struct Chain {
    static let width = 64
    private let norms: [Variable]
    private let inputs: [Variable]
    private let outputs: [Variable]
    private let zeros: Variable

    init(layers: Int) {
        func parameters(_ shape: [Int]) -> [Variable] {
            (0..<layers).map { layer in
                let value = randomTensor(shape, seed: UInt64(layer), deviation: 0.1)
                return Variable(parameter: value, gradient: Tensor(shape: shape))
            }
        }
        norms = parameters([Self.width])
        inputs = parameters([2 * Self.width, Self.width])
        outputs = parameters([Self.width, Self.width])
        zeros = Variable(constant: Tensor(repeating: 0, shape: [Self.width]))
    }

    func isFirst(_ variable: Variable) -> Bool { norms.contains { $0 === variable } }

    func forward(_ x: Variable, on tape: Tape) -> Variable {
        var x = x
        for (norm, (input, output)) in zip(norms, zip(inputs, outputs)) {
            let normed = tape.layerNorm(x, weight: norm, bias: zeros)
            let gated = tape.swiglu(tape.linear(normed, weight: input, bias: nil))
            x = tape.residual(x, tape.linear(gated, weight: output, bias: nil))
        }
        return x
    }

    func forward(tokens: Int, on tape: Tape) -> Variable {
        forward(Variable(constant: randomTensor([tokens, Self.width], seed: 5)), on: tape)
    }

    func step(tokens: Int) {
        let tape = Tape()
        let output = forward(tokens: tokens, on: tape)
        tape.backward(from: output, seed: Tensor(repeating: 1, shape: output.shape))
    }
}
