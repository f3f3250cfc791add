/// Takes note of the messages in which gradients travel during a step, such as a trace.
package protocol SumObserver: AnyObject {
    /// Message `number` of this step has been started.
    func sumDidBegin(_ number: Int, elements: Int)
    /// Message `number` of this step has been summed; at most `inFlight` are under way at a time.
    func sumDidEnd(_ number: Int, inFlight: Int)
}
