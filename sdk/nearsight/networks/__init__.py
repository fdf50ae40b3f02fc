"""The networks that a trunk can be, a module each: the state's layout, the weights, and how an event moves it.

Every one is a network over a whole history that is also exact event by event, with a state of fixed size in which
zeros are an empty history.
"""
